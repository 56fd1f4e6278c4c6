import { Clock, Deferred, Effect, Schedule, Schema, type Scope } from "effect"
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { closeSync, openSync } from "node:fs"
import { chmod, chown, mkdir, readdir, readFile, rename, rm, stat, truncate } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import * as Binaries from "./Binaries.ts"
import * as Identity from "./Identity.ts"
import * as PostmasterFile from "./PostmasterFile.ts"
import * as Users from "./Users.ts"

/** The embedded server could not be brought up: `message` is one line that names the data directory and the cause. */
export class EmbeddedFailed extends Schema.TaggedError<EmbeddedFailed>()("EmbeddedFailed", {
  dataDir: Schema.String,
  message: Schema.String,
  cause: Schema.Defect()
}) {}

export interface Options {
  /** The cluster lives in its folder `postgres`. */
  readonly dataDir: string
  /** Folder with `initdb` and `postgres` of another PostgreSQL; default: the npm package's. */
  readonly binDir?: string
  /** Server settings on top of the house's own. */
  readonly settings?: Readonly<Record<string, string>>
}

/** How to reach the server: a socket in a folder that only this user can enter, no TCP. */
export interface Server {
  readonly socketDir: string
  readonly port: number
  readonly username: string
  readonly database: string
  /** Whether it was already running, left behind by a process that died or shared with one that lives. */
  readonly adopted: boolean
}

export const username = "kintsugi"
export const database = "postgres"

const port = 5432
/** Longest path of a unix socket on Linux; PostgreSQL refuses longer ones. */
const socketPathBytesMax = 107
/** How long a server that neither answers nor goes away is waited for. */
const patienceMs = 5_000
/** Crash recovery of a large log takes its time; a server that says `starting` is given this long. */
const recoveryMsMax = 120_000
const logBytesMax = 10 * 1024 * 1024
const restartPause = Schedule.spaced("1 second")

/**
 * PostgreSQL's default durability (fsync, synchronous commit). Checkpoints are rare because the first change of each
 * page after one writes the whole page to the log.
 */
const houseSettings: Readonly<Record<string, string>> = {
  listen_addresses: "",
  port: String(port),
  unix_socket_permissions: "0700",
  max_connections: "64",
  shared_buffers: "128MB",
  max_wal_size: "2GB",
  checkpoint_timeout: "15min",
  log_checkpoints: "off",
  idle_in_transaction_session_timeout: "60s",
  TimeZone: "UTC",
  log_timezone: "UTC"
}

/**
 * Starts the server of `dataDir`, creating its cluster first if there is none, or adopts the one that already runs.
 * It is started again whenever it dies. When the scope closes it is stopped, unless another process uses it.
 */
export const start = Effect.fn("Embedded.start")(function* (
  options: Options
): Effect.fn.Return<Server, EmbeddedFailed | Binaries.BinariesMissing, Scope.Scope> {
  const dataDir = resolve(options.dataDir)
  const { binDir } = options.binDir === undefined ? yield* Binaries.locate : { binDir: options.binDir }
  const usersDir = join(dataDir, "postgres.users")
  const clusterDir = join(dataDir, "postgres")
  const socketDir = socketDirOf(dataDir)

  const registration = yield* Effect.acquireRelease(
    attempt(dataDir, "the data directory cannot be written (--data-dir, KINTSUGI_DATA_DIR)", () =>
      Users.register(usersDir)
    ),
    // The server goes last: whoever uses it has closed by now.
    (registered) =>
      Effect.flatMap(
        Effect.promise(() => Users.leave(usersDir, registered)),
        (left) => (left === "last" ? stop(clusterDir) : Effect.void)
      )
  )
  const context: Context = { ...options, dataDir, binDir, clusterDir, socketDir, registration }
  const identity = yield* ensureCluster(context)
  const first = yield* bringUp(context, identity)
  yield* supervise(context, identity, first).pipe(Effect.forkScoped)
  return { socketDir: first.socketDir, port: first.port, username, database, adopted: first.exited === null }
})

interface Context extends Options {
  readonly binDir: string
  readonly clusterDir: string
  readonly socketDir: string
  readonly registration: Users.Registration
}

interface Running extends PostmasterFile.Postmaster {
  /** Completed when our child ends; null for an adopted server, which has to be watched by its process id. */
  readonly exited: Deferred.Deferred<void> | null
}

const socketDirOf = (dataDir: string): string => {
  const near = join(dataDir, "postgres.socket")
  if (Buffer.byteLength(PostmasterFile.socketPath(near, port)) <= socketPathBytesMax) return near
  return join(tmpdir(), `kintsugi-${createHash("sha256").update(dataDir).digest("hex").slice(0, 16)}`)
}

const attempt = <A>(dataDir: string, what: string, run: () => Promise<A>): Effect.Effect<A, EmbeddedFailed> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) =>
      new EmbeddedFailed({
        dataDir,
        message: `${dataDir}: ${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
        cause
      })
  })

// ------------------------------------------------------------------ cluster

const ensureCluster = Effect.fnUntraced(function* (
  context: Context
): Effect.fn.Return<Identity.Identity, EmbeddedFailed> {
  const { binDir, clusterDir, dataDir, socketDir } = context
  const identity = yield* Identity.choose(clusterDir, [binDir, dataDir])
  const chosen = (yield* exists(join(clusterDir, "PG_VERSION")))
    ? identity
    : yield* create(context, identity).pipe(
        // Folders that look open can still be closed to another user (mounts, access lists).
        Effect.catch((failed) =>
          identity._tag === "setuid"
            ? Effect.as(create(context, { _tag: "unshare" }), { _tag: "unshare" } as const)
            : Effect.fail(failed)
        )
      )
  yield* attempt(dataDir, "the socket folder cannot be made", () => privateFolder(socketDir, chosen))
  return chosen
})

/** A cluster is made beside its place and moved there whole, so that a killed `initdb` leaves no half of one. */
const create = Effect.fnUntraced(function* (
  context: Context,
  identity: Identity.Identity
): Effect.fn.Return<Identity.Identity, EmbeddedFailed> {
  const { binDir, clusterDir, dataDir } = context
  const temporary = `${clusterDir}.tmp-${process.pid}`
  yield* attempt(dataDir, "the cluster's folder cannot be made", async () => {
    await rm(temporary, { recursive: true, force: true })
    await privateFolder(temporary, identity)
  })
  const { code, output } = yield* run(
    Identity.command(identity, join(binDir, "initdb"), [
      ...["-D", temporary, "-U", username, "-E", "UTF8"],
      ...["--auth=trust", "--locale=C", "--no-sync", "--no-instructions"]
    ])
  )
  if (code !== 0) {
    yield* attempt(dataDir, "cleaning up", () => rm(temporary, { recursive: true, force: true }))
    return yield* new EmbeddedFailed({
      dataDir,
      message: `${dataDir}: initdb failed: ${lastLine(output)}`,
      cause: output
    })
  }
  yield* attempt(dataDir, "the new cluster cannot be moved to its place", async () => {
    // Whoever was first wins: a rename onto a folder that is not empty fails.
    await rename(temporary, clusterDir).catch(async (cause) => {
      const won = await stat(join(clusterDir, "PG_VERSION")).then(
        () => true,
        () => false
      )
      await rm(temporary, { recursive: true, force: true })
      if (!won) throw cause
    })
    await removeAbandoned(dataDir)
  })
  return identity
})

const removeAbandoned = async (dataDir: string): Promise<void> => {
  for (const name of await readdir(dataDir)) {
    const pid = /^postgres\.tmp-(\d+)$/.exec(name)?.[1]
    if (pid === undefined || (await Effect.runPromise(PostmasterFile.isAlive(Number(pid))))) continue
    await rm(join(dataDir, name), { recursive: true, force: true })
  }
}

const privateFolder = async (path: string, identity: Identity.Identity): Promise<void> => {
  await mkdir(path, { recursive: true, mode: 0o700 })
  if (identity._tag === "setuid") await chown(path, identity.uid, identity.gid)
  await chmod(path, 0o700)
}

const exists = (path: string): Effect.Effect<boolean> =>
  Effect.promise(() =>
    stat(path).then(
      () => true,
      () => false
    )
  )

interface Ended {
  readonly code: number | null
  readonly output: string
}

const run = (command: ReturnType<typeof Identity.command>): Effect.Effect<Ended> =>
  Effect.callback((resume) => {
    const { args, program, ...credentials } = command
    const child = spawn(program, args, { ...credentials, cwd: "/", stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    const collect = (chunk: Buffer) => {
      output += chunk.toString()
    }
    child.stdout.on("data", collect)
    child.stderr.on("data", collect)
    child.on("error", (cause) => resume(Effect.succeed({ code: null, output: cause.message })))
    child.on("close", (code) => resume(Effect.succeed({ code, output })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const lastLine = (text: string): string =>
  text
    .trimEnd()
    .split("\n")
    .filter((line) => !/HINT|removing|logging collector|initdb: (removing|data)/.test(line))
    .at(-1) ?? "no output"

// ------------------------------------------------------------------- server

/** Adopts the server that runs, or starts one; waits for one that is just coming up or going down. */
const bringUp = Effect.fnUntraced(function* (
  context: Context,
  identity: Identity.Identity
): Effect.fn.Return<Running, EmbeddedFailed> {
  const { clusterDir, dataDir } = context
  const began = yield* Clock.currentTimeMillis
  let problem = "no server came up"
  while (true) {
    const found = yield* PostmasterFile.read(clusterDir)
    const alive = found !== null && (yield* PostmasterFile.isAlive(found.pid))
    if (alive && !(yield* isServer(found.pid))) {
      // The id was given to another program since: the file is left over from a killed server.
      yield* attempt(dataDir, "a stale postmaster.pid cannot be removed", () =>
        rm(join(clusterDir, "postmaster.pid"), { force: true })
      )
      continue
    }
    if (alive) {
      const path = PostmasterFile.socketPath(found.socketDir, found.port)
      if (found.status === "ready" && (yield* PostmasterFile.answers(path))) return { ...found, exited: null }
      problem = `the server with process id ${found.pid} (${found.status || "unknown"}) does not answer`
    } else {
      const started = yield* spawnServer(context, identity)
      if (typeof started !== "string") return started
      problem = started
    }
    const waitedMs = (yield* Clock.currentTimeMillis) - began
    const limitMs = alive && found.status === "starting" ? recoveryMsMax : patienceMs
    if (waitedMs > limitMs) {
      return yield* new EmbeddedFailed({ dataDir, message: `${dataDir}: ${problem}`, cause: problem })
    }
    yield* Effect.sleep("50 millis")
  }
})

/** False only when the system can tell that it is another program. */
const isServer = (pid: number): Effect.Effect<boolean> =>
  Effect.promise(async () => {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")
    return commandLine === "" || commandLine.includes("postgres")
  })

/** Starts the server and waits until it is ready; answers the last line of its log when it ended instead. */
const spawnServer = Effect.fnUntraced(function* (
  context: Context,
  identity: Identity.Identity
): Effect.fn.Return<Running | string, EmbeddedFailed> {
  const { binDir, clusterDir, dataDir, settings, socketDir } = context
  const logFile = join(dataDir, "postgres.log")
  const log = yield* attempt(dataDir, "the server's log cannot be opened", async () => {
    const size = await stat(logFile).then(
      (found) => found.size,
      () => 0
    )
    if (size > logBytesMax) await truncate(logFile, 0)
    return openSync(logFile, "a")
  })
  const options = Object.entries({ ...houseSettings, ...settings, unix_socket_directories: socketDir })
  const { args, program, ...credentials } = Identity.command(identity, join(binDir, "postgres"), [
    ...["-D", clusterDir],
    ...options.flatMap(([name, value]) => ["-c", `${name}=${value}`])
  ])
  const exited = Deferred.makeUnsafe<void>()
  let ended: string | null = null
  const end = (how: string) => {
    ended = how
    Deferred.doneUnsafe(exited, Effect.void)
  }
  // Its own session, so that Ctrl-C in the terminal reaches us and not the server; we stop it when all is written.
  const child = yield* Effect.sync(() => {
    const spawned = spawn(program, args, { ...credentials, cwd: "/", detached: true, stdio: ["ignore", log, log] })
    spawned.on("error", (cause) => end(cause.message))
    spawned.on("exit", (code, signal) => end(`the server ended with ${code ?? signal}`))
    spawned.unref()
    closeSync(log)
    return spawned
  })
  for (let waitedMs = 0; waitedMs < recoveryMsMax && ended === null; waitedMs += 5) {
    const found = yield* PostmasterFile.read(clusterDir)
    if (found !== null && found.pid === child.pid && found.status === "ready") return { ...found, exited }
    yield* Effect.sleep("5 millis")
  }
  const written = yield* Effect.promise(() => readFile(logFile, "utf8").catch(() => ""))
  return `${ended ?? "the server did not become ready"}: ${lastLine(written)}`
})

/** Starts the server again when it dies, for as long as the scope is open. */
const supervise = (context: Context, identity: Identity.Identity, first: Running): Effect.Effect<never> =>
  Effect.gen(function* () {
    let running = first
    while (true) {
      yield* ended(running)
      yield* Effect.logWarning(`the embedded PostgreSQL of ${context.dataDir} ended and is started again`)
      running = yield* bringUp(context, identity).pipe(
        Effect.tapError((failed) => Effect.logError(failed.message)),
        Effect.retry(restartPause),
        Effect.orDie
      )
    }
  })

const ended = (running: Running): Effect.Effect<void> =>
  running.exited !== null
    ? Deferred.await(running.exited)
    : PostmasterFile.isAlive(running.pid).pipe(Effect.delay("200 millis"), Effect.repeat({ while: (alive) => alive }))

/** Fast shutdown: sessions are ended, everything committed is kept; immediate when that takes too long. */
const stop = Effect.fnUntraced(function* (clusterDir: string): Effect.fn.Return<void> {
  const found = yield* PostmasterFile.read(clusterDir)
  if (found === null) return
  for (const [signal, waitMs] of [
    ["SIGINT", 10_000],
    ["SIGQUIT", 2_000]
  ] as const) {
    for (let waitedMs = 0; waitedMs < waitMs; waitedMs += 5) {
      if (!(yield* PostmasterFile.isAlive(found.pid))) return
      if (waitedMs === 0) yield* Effect.sync(() => signalQuietly(found.pid, signal))
      yield* Effect.sleep("5 millis")
    }
  }
})

const signalQuietly = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal)
  } catch {
    // It went away in between, which is what was wanted.
  }
}
