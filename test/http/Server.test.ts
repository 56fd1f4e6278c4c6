import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Layer, Redacted, Scope } from "effect"
import { createServer, connect, type AddressInfo } from "node:net"
import { Engine } from "../../src/actors/Engine.ts"
import * as Server from "../../src/http/Server.ts"
import * as Fakes from "./Fakes.ts"
import { send, server, token } from "./Harness.ts"

const state = Fakes.makeState()
const listen = (host: string, port: number) =>
  Server.layer({ host, port, token: Redacted.make(token) }).pipe(Layer.provide(Fakes.layer(state)))

/** Why a layer could not be built. */
const failure = (layer: Layer.Layer<Server.Listening, Server.ListenFailed>) =>
  Effect.scoped(Effect.flip(Layer.build(layer)))

describe("the server", () => {
  it.live("port 0 takes a free port and says which", () =>
    Effect.gen(function* () {
      const { host, port, url } = yield* Server.Listening
      assert.isAbove(port, 0)
      assert.strictEqual(host, "127.0.0.1")
      assert.strictEqual(url, `http://127.0.0.1:${port}`)
    }).pipe(Effect.provide(listen("127.0.0.1", 0)))
  )

  it.live("a port in use is one line that names address and flag", () =>
    Effect.gen(function* () {
      const taken = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer()
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const { port } = taken.address() as AddressInfo
      const error = yield* failure(listen("127.0.0.1", port))
      assert.strictEqual(error._tag, "ListenFailed")
      assert.strictEqual(error.message, `127.0.0.1:${port} is already in use (EADDRINUSE): choose another --port`)
    })
  )

  it.live("an address that is not this machine's names --host", () =>
    Effect.gen(function* () {
      const error = yield* failure(listen("192.0.2.1", 0))
      assert.include(error.message, "--host")
      assert.include(error.message, "EADDRNOTAVAIL")
    })
  )

  it.live("the token is neither logged nor echoed, whatever goes wrong with a request", () =>
    Effect.gen(function* () {
      for (const path of ["/api/v1/runs", "/nowhere", "/api/v1/runs?limit=x"]) {
        for (const bearer of [token, "another-secret"]) {
          const answer = yield* send("POST", path, { token: bearer, body: "{" })
          assert.isFalse(answer.text.includes(bearer))
        }
      }
    }).pipe(Effect.provide(listen("127.0.0.1", 0)))
  )
})

describe("at shutdown", () => {
  it.live("a request in flight is answered, event streams end, and no new connection is taken", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const release = yield* Deferred.make<void>()
      const slow = Layer.effect(
        Engine,
        Effect.map(Engine, (engine) => ({
          ...engine,
          run: (id: string) =>
            Deferred.succeed(asked, undefined).pipe(
              Effect.andThen(Deferred.await(release)),
              Effect.as(Fakes.runView(id, "running"))
            )
        }))
      )
      const fakes = Fakes.layer(state)
      const behind = Layer.effectContext(
        Effect.gen(function* () {
          const base = yield* Layer.build(fakes)
          const engine = yield* Effect.provideContext(Layer.build(slow), base)
          return Context.merge(base, engine)
        })
      )
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(server(state, behind), scope)
      const { port, url } = Context.get(context, Server.Listening)

      const stream = yield* Effect.promise(() =>
        fetch(`${url}/api/v1/events/stream`, { headers: { authorization: `Bearer ${token}` } })
      )
      const streamed = yield* Effect.forkChild(Effect.promise(() => stream.text()))
      const request = yield* Effect.forkChild(Effect.provideContext(send("GET", "/api/v1/runs/ok-1"), context))
      yield* Deferred.await(asked)

      // One that never says anything must not hold the server up.
      const silent = connect(port, "127.0.0.1")
      yield* Effect.callback<void>((resume) => void silent.on("connect", () => resume(Effect.void)))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      // The stream ends by itself although the request still runs.
      assert.include(yield* Fiber.join(streamed), "retry:")
      assert.isUndefined(closing.pollUnsafe())
      const refused = yield* Effect.callback<string>((resume) => {
        const socket = connect(port, "127.0.0.1")
        socket.on("error", (error: NodeJS.ErrnoException) => resume(Effect.succeed(error.code ?? "")))
        socket.on("connect", () => resume(Effect.succeed("connected")))
      })
      assert.strictEqual(refused, "ECONNREFUSED")

      yield* Deferred.succeed(release, undefined)
      assert.strictEqual((yield* Fiber.join(request)).status, 200)
      const exit = yield* Fiber.await(closing).pipe(Effect.timeout("3 seconds"))
      assert(Exit.isSuccess(exit), Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "")
    })
  )
})
