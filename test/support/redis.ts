import { Context, Effect, Layer, Result, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { Redis } from "ioredis"
import * as RedisUrl from "../../src/bus/RedisUrl.ts"

const program = (process.env.PATH ?? "")
  .split(delimiter)
  .concat("/usr/bin", "/usr/local/bin")
  .map((folder) => join(folder, "redis-server"))
  .find((path) => existsSync(path))

/**
 * Whether the tests that need Redis are left out, which is said in one line. With `CI` set they run, and fail where there
 * is no server.
 */
export const absent: boolean = program === undefined && process.env.CI === undefined
export const sayIfAbsent = (): void => {
  if (absent) console.warn("no redis-server found (Debian: apt-get install redis-server): its tests are left out")
}

/** A Redis server on a unix socket, with its data on disk as an append-only file. */
export class RedisServer extends Context.Service<
  RedisServer,
  {
    readonly path: string
    readonly address: RedisUrl.RedisAddress
    /** SIGTERM, or `kill -9`; the data stay. Comes back when the process is gone. */
    readonly stop: (signal: "SIGTERM" | "SIGKILL") => Effect.Effect<void>
    /** SIGSTOP and SIGCONT: the socket stays open and nothing is answered. */
    readonly freeze: Effect.Effect<void>
    readonly thaw: Effect.Effect<void>
    /** Starts it again on the same data; comes back when it answers. */
    readonly start: Effect.Effect<void>
    /** A client of the test's own. */
    readonly client: Effect.Effect<Redis, never, Scope.Scope>
  }
>()("kintsugi/test/support/RedisServer") {
  static readonly layer: Layer.Layer<RedisServer> = Layer.effect(
    RedisServer,
    Effect.suspend(() => make)
  )
}

const answerWithinMs = 20_000

const make = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "kintsugi-redis-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
  )
  const path = join(folder, "socket")
  const address = Result.getOrThrow(RedisUrl.parse(path))
  let child: ChildProcess | undefined

  const start = Effect.promise(async () => {
    if (program === undefined) throw new Error("redis-server was not found (Debian: apt-get install redis-server)")
    // With `everysec` a server that is killed while the disk is busy loses what it has acknowledged since.
    const durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    child = spawn(program, ["--port", "0", "--unixsocket", path, "--dir", folder, ...durable], { stdio: "ignore" })
    const startedAt = performance.now()
    while (performance.now() - startedAt < answerWithinMs) {
      if (child.exitCode !== null) throw new Error(`redis-server ended with exit code ${child.exitCode}`)
      const probe = new Redis({ path, lazyConnect: true, retryStrategy: () => null }).on("error", () => undefined)
      const answered = await probe.connect().then(
        () => true,
        () => false
      )
      probe.disconnect()
      if (answered) return
      await setTimeout(20)
    }
    throw new Error(`redis-server did not answer within ${answerWithinMs} ms`)
  })

  const stop = (signal: "SIGTERM" | "SIGKILL") =>
    Effect.promise(async () => {
      const running = child
      child = undefined
      if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
      running.kill(signal)
      await once(running, "exit")
    })
  const send = (signal: NodeJS.Signals) => Effect.sync(() => void child?.kill(signal))

  yield* Effect.acquireRelease(start, () => stop("SIGKILL"))
  return {
    path,
    address,
    stop,
    freeze: send("SIGSTOP"),
    thaw: send("SIGCONT"),
    start,
    client: Effect.acquireRelease(
      Effect.sync(() => new Redis({ path }).on("error", () => undefined)),
      (client) => Effect.sync(() => client.disconnect())
    )
  }
})
