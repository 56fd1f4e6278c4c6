import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as RedisConnection from "../../src/bus/RedisConnection.ts"
import * as RedisUrl from "../../src/bus/RedisUrl.ts"

/** The path of a socket on which each connection is met so. */
const serverThat = (meet: (socket: Socket) => unknown) =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "kintsugi-redis-"))),
      (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
    )
    const path = join(folder, "socket")
    yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const server = createServer((socket) => meet(socket.on("error", () => undefined))).listen(path)
        await once(server, "listening")
        return server
      }),
      (server) => Effect.sync(() => server.close())
    )
    return path
  })

const ping = (path: string) =>
  Effect.gen(function* () {
    const connection = yield* RedisConnection.make(Result.getOrThrow(RedisUrl.parse(path)))
    return yield* Effect.flip(connection.run((client) => client.ping()))
  })

layer(Layer.empty, { excludeTestServices: true })("RedisConnection", (it) => {
  it.effect("says that the server hangs up, as one that expects TLS does", () =>
    Effect.gen(function* () {
      const path = yield* serverThat((socket) => socket.on("data", () => socket.end()))
      assert.strictEqual((yield* ping(path)).message, `Redis at ${path}: the server closed the connection`)
    })
  )

  it.effect("repeats the server's own words when it refuses", () =>
    Effect.gen(function* () {
      const path = yield* serverThat((socket) =>
        socket.on("data", () => socket.write("-NOAUTH Authentication required.\r\n".repeat(4)))
      )
      assert.strictEqual((yield* ping(path)).message, `Redis at ${path}: NOAUTH Authentication required.`)
    })
  )

  it.effect("waits only so long for a server that accepts and says nothing", () =>
    Effect.gen(function* () {
      const path = yield* serverThat(() => undefined)
      const error = yield* Effect.timeout(ping(path), "5 seconds")
      assert.strictEqual(error.message, `Redis at ${path}: the server does not answer`)
    })
  )
})
