import { Context, Effect, Layer, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { fileURLToPath } from "node:url"

/** An S3 server in a process of its own, with its data on disk. */
export interface FauxqsServer {
  readonly port: number
  readonly endpoint: string
  /** `kill -9`; the data stay. Comes back when the process is gone. */
  readonly kill: Effect.Effect<void>
  /** Starts it again on the same port and data; comes back when it answers. */
  readonly start: Effect.Effect<void>
  /** Loses everything, buckets included, and serves on. */
  readonly wipe: Effect.Effect<void>
}

export class Fauxqs extends Context.Service<Fauxqs, FauxqsServer>()("kintsugi/test/support/Fauxqs") {
  static readonly layer: Layer.Layer<Fauxqs> = Layer.effect(
    Fauxqs,
    Effect.suspend(() => make)
  )
}

const server = fileURLToPath(new URL("../../node_modules/fauxqs/dist/server.js", import.meta.url))
const answerWithinMs = 20_000

/** A free port of this machine. It is free at this moment; nobody holds it until it is used. */
export const freePort: Effect.Effect<number> = Effect.promise(async () => {
  const listener = createServer().listen(0, "127.0.0.1")
  await once(listener, "listening")
  const address = listener.address()
  if (address === null || typeof address === "string") throw new Error("the listener has no port")
  listener.close()
  await once(listener, "close")
  return address.port
})

/** Starts a server that is killed, and whose data are removed, with the scope. It accepts any credentials. */
export const make: Effect.Effect<FauxqsServer, never, Scope.Scope> = Effect.gen(function* () {
  // The AWS SDK's own chain looks here first.
  process.env.AWS_ACCESS_KEY_ID ??= "test"
  process.env.AWS_SECRET_ACCESS_KEY ??= "test"
  const port = yield* freePort
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "kintsugi-fauxqs-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
  )
  const endpoint = `http://127.0.0.1:${port}`
  const dataDir = join(folder, "data")
  const storageDir = join(folder, "objects")
  let child: ChildProcess | undefined

  const start = Effect.promise(async () => {
    child = spawn(process.execPath, [server], {
      env: {
        ...process.env,
        FAUXQS_PORT: String(port),
        FAUXQS_DATA_DIR: dataDir,
        FAUXQS_PERSISTENCE: "true",
        FAUXQS_S3_STORAGE_DIR: storageDir,
        FAUXQS_LOGGER: "false"
      },
      stdio: "ignore"
    })
    const startedAt = performance.now()
    while (performance.now() - startedAt < answerWithinMs) {
      if (child.exitCode !== null) throw new Error(`fauxqs ended with exit code ${child.exitCode}`)
      const answered = await fetch(endpoint).then(
        (response) => response.arrayBuffer().then(() => true),
        () => false
      )
      if (answered) return
      await setTimeout(50)
    }
    throw new Error(`fauxqs did not answer within ${answerWithinMs} ms`)
  })

  const kill = Effect.promise(async () => {
    const running = child
    child = undefined
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    running.kill("SIGKILL")
    await once(running, "exit")
  })

  const wipe = Effect.gen(function* () {
    yield* kill
    yield* Effect.promise(async () => {
      await rm(dataDir, { recursive: true, force: true })
      await rm(storageDir, { recursive: true, force: true })
    })
    yield* start
  })

  yield* Effect.acquireRelease(start, () => kill)
  return { port, endpoint, kill, start, wipe }
})
