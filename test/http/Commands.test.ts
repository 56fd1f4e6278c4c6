import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Redacted } from "effect"
import { HttpClientRequest, HttpServer } from "effect/http"
import { HttpApiMiddleware, HttpApiTest } from "effect/http-api"
import { TestClock } from "effect/testing"
import { Api } from "../../src/http/api/Api.ts"
import { Authorization } from "../../src/http/api/Guards.ts"
import { Admission, rateLimitsDefault } from "../../src/http/Admission.ts"
import { Authenticate } from "../../src/http/Authenticate.ts"
import * as AuthorizationLive from "../../src/http/AuthorizationLive.ts"
import * as Rules from "../../src/http/Rules.ts"
import * as WorkflowsHandlers from "../../src/http/WorkflowsHandlers.ts"
import * as Fakes from "./Fakes.ts"
import { send, server } from "./Harness.ts"

const state = Fakes.makeState()
const post = (path: string, key: string, body?: unknown, headers: Record<string, string> = {}) =>
  send("POST", `/api/v1/${path}`, {
    headers: { "idempotency-key": key, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
const lastCaller = () => state.callers.at(-1)

layer(server(state), { excludeTestServices: true })("commands", (it) => {
  it.effect("the same Idempotency-Key gives the first answer again, in whatever order the fields come", () =>
    Effect.gen(function* () {
      const first = yield* post("workflows/orders/run", "k1", { partitionKey: "p", runKey: "r" })
      const again = yield* post("workflows/orders/run", "k1", { runKey: "r", partitionKey: "p" })
      assert.strictEqual(first.status, 202)
      assert.deepStrictEqual(again.json, first.json)
      const other = yield* post("workflows/orders/run", "k2", { partitionKey: "p", runKey: "r" })
      assert.notDeepEqual(other.json, first.json)
    })
  )

  it.effect("the same key with another body is 422", () =>
    Effect.gen(function* () {
      yield* post("workflows/orders/run", "k3", { partitionKey: "p" })
      const { json, status } = yield* post("workflows/orders/run", "k3", { partitionKey: "q" })
      assert.strictEqual(status, 422)
      assert.strictEqual(json.code, "idempotency_key_reused")
    })
  )

  it.effect("a key belongs to its route and ids; a body that was left out is the empty one", () =>
    Effect.gen(function* () {
      yield* post("runs/ok-1/cancel", "k4")
      const cancel1 = lastCaller()?.commandId
      yield* post("runs/ok-1/cancel", "k4", {})
      assert.strictEqual(lastCaller()?.commandId, cancel1)
      yield* post("runs/ok-2/cancel", "k4")
      const cancel2 = lastCaller()?.commandId
      yield* post("runs/failed-1/recover", "k4")
      const recover = lastCaller()?.commandId
      assert.strictEqual(new Set([cancel1, cancel2, recover]).size, 3)
      yield* post("workflows/failed-1/recover", "k4")
      assert.strictEqual(lastCaller()?.commandId, recover)
    })
  )

  it.effect("a definition is put once under its key", () =>
    Effect.gen(function* () {
      const put = (body: string) =>
        send("PUT", "/api/v1/workflows/fresh", { body, headers: { "idempotency-key": "k5" } })
      assert.strictEqual((yield* put('{"steps":[]}')).status, 201)
      assert.strictEqual((yield* put('{"steps":[]}')).status, 201)
      assert.strictEqual((yield* put('{"steps":[],"name":"other"}')).status, 422)
    })
  )

  it.effect("without a key a command has no id; principal and a valid traceparent are always told", () =>
    Effect.gen(function* () {
      const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
      yield* send("POST", "/api/v1/runs/ok-1/cancel", { headers: { traceparent } })
      assert.deepStrictEqual(lastCaller(), { principal: "admin", traceparent })
      for (const bad of ["nonsense", traceparent.replace("0af7651916cd43dd8448eb211c80319c", "0".repeat(32))]) {
        yield* send("POST", "/api/v1/runs/ok-1/cancel", { headers: { traceparent: bad } })
        assert.deepStrictEqual(lastCaller(), { principal: "admin" })
      }
    })
  )
})

describe("a request that nobody answers", () => {
  const token = "t"
  const bearer = HttpApiMiddleware.layerClient(Authorization, ({ next, request }) =>
    next(HttpClientRequest.bearerToken(request, token))
  )
  const handlers = WorkflowsHandlers.layer.pipe(
    Layer.provide(Fakes.layer(Fakes.makeState())),
    Layer.provideMerge(
      Layer.mergeAll(
        bearer,
        AuthorizationLive.layer.pipe(
          Layer.provide(Admission.layer(rateLimitsDefault)),
          Layer.provide(Authenticate.layerOneToken(Redacted.make(token)))
        ),
        Rules.layerRequestRules,
        Rules.layerBodyRules,
        HttpServer.layerServices
      )
    )
  )

  it.effect("is given up with 503 after 10 seconds, while the command may still happen", () =>
    Effect.gen(function* () {
      const client = yield* HttpApiTest.groups(Api, ["workflows"])
      const request = client.workflows.startRun({ params: { slug: "silent" }, headers: {}, payload: {} })
      const fiber = yield* Effect.forkChild(Effect.exit(request))
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const exit = yield* Fiber.join(fiber)
      assert(Exit.isFailure(exit))
      assert.include(String(exit.cause), "10 seconds")
    }).pipe(Effect.provide(handlers))
  )
})
