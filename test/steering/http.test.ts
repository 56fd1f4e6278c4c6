import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { HttpClientRequest, HttpServer } from "effect/http"
import { HttpApiMiddleware, HttpApiTest } from "effect/http-api"
import { RunSteering } from "../../src/actors/RunSteering.ts"
import { PermanentFailure, defineJob } from "../../src/index.ts"
import { Api } from "../../src/http/api/Api.ts"
import { Authorization, type Role } from "../../src/http/api/Guards.ts"
import { Admission, rateLimitsDefault } from "../../src/http/Admission.ts"
import { Authenticate } from "../../src/http/Authenticate.ts"
import * as AuthorizationLive from "../../src/http/AuthorizationLive.ts"
import * as Rules from "../../src/http/Rules.ts"
import type * as Server from "../../src/http/Server.ts"
import * as SteeringHandlers from "../../src/http/SteeringHandlers.ts"
import * as Fakes from "../http/Fakes.ts"
import { send, server } from "../http/Harness.ts"
import { makes, stepFor, uses } from "../support/chainApp.ts"
import { define, layerMemory, temporaryFolder, until } from "../support/engine.ts"

let broken = true
const jobs = [
  makes("base", (ctx) => `base of ${ctx.runId}`),
  uses("base"),
  defineJob({ slug: "first", run: async () => ({ result: { ran: true } }) }),
  defineJob({
    slug: "load",
    run: async () => {
      if (broken) throw new PermanentFailure({ message: "no such table" })
    }
  })
]
const workflows = {
  makes: { steps: [stepFor("make-base", { produces: ["base"] })] },
  reads: { steps: [stepFor("use-base", { consumes: ["base"] })] },
  w: { steps: [stepFor("first"), { ...stepFor("load"), dependsOn: ["first"] }] }
}

/** A real server in front of a real engine. */
const served = <A, E>(body: Effect.Effect<A, E, Server.Listening>) =>
  Effect.scoped(
    Effect.gen(function* () {
      broken = true
      const baseDir = yield* temporaryFolder
      const engine = Layer.effectDiscard(define(workflows)).pipe(
        Layer.provideMerge(layerMemory({ jobs, baseDir })),
        Layer.orDie
      )
      const state = Fakes.makeState()
      return yield* Effect.provide(body, server(state, Layer.mergeAll(Fakes.reads(state), Fakes.inventory, engine)))
    })
  )

const post = (path: string, body: unknown = {}, headers: Record<string, string> = {}) =>
  send("POST", `/api/v1/${path}`, { body: JSON.stringify(body), headers })
type Shown = { readonly id: string; readonly status: string } & Record<string, unknown>
const dataOf = ({ json }: { readonly json: Record<string, unknown> }) => json.data as Shown
const read = (id: string) => Effect.map(send("GET", `/api/v1/runs/${id}`), dataOf)
const is = (id: string, status: string) => until(read(id), (run) => run.status === status, `run that is ${status}`)
const failedRun = Effect.gen(function* () {
  const { id } = dataOf(yield* post("workflows/w/run"))
  yield* is(id, "failed")
  return id
})

describe("steering over HTTP", () => {
  it.live("F45: a failed step is retried; the same key answers again, and the events say who it was", () =>
    served(
      Effect.gen(function* () {
        const id = yield* failedRun
        broken = false
        const key = { "idempotency-key": "once" }
        const first = yield* post(`runs/${id}/steps/load/retry`, undefined, key)
        assert.strictEqual(first.status, 202, first.text)
        assert.isString(first.json.position)
        yield* is(id, "succeeded")
        assert.strictEqual((yield* post(`runs/${id}/steps/load/retry`, undefined, key)).status, 202)
        const again = yield* post(`runs/${id}/steps/load/retry`)
        assert.strictEqual(again.status, 409)
        assert.deepInclude(again.json, {
          ...{ code: "illegal_transition", command: "retry", currentStatus: "succeeded" }
        })
        const { json } = yield* send("GET", `/api/v1/runs/${id}/events`)
        const events = json.data as ReadonlyArray<{ type: string; metadata: { principal?: string } }>
        const recovered = events.filter(({ type }) => type === "RunRecovered")
        assert.deepStrictEqual(
          recovered.map(({ metadata }) => metadata.principal),
          ["admin"]
        )
      })
    )
  )

  it.live("F45 F46: a step is skipped, checkpoints are listed, and the run is restored to one", () =>
    served(
      Effect.gen(function* () {
        const id = yield* failedRun
        const skip = { reason: "the table is gone", result: { rows: 0 }, force: true }
        assert.strictEqual((yield* post(`runs/${id}/steps/load/skip`, skip)).status, 202)
        yield* is(id, "succeeded")
        const list = yield* send("GET", `/api/v1/runs/${id}/checkpoints`)
        const points = list.json.data as ReadonlyArray<Record<string, unknown>>
        assert.deepStrictEqual(
          points.map(({ stepId }) => stepId),
          ["first", "load"]
        )
        assert.hasAllKeys(points[0]!, ["checkpoint", "stepId", "position", "at"])
        broken = false
        const restored = yield* post(`runs/${id}/restore`, { checkpoint: points[0]!.checkpoint })
        assert.strictEqual(restored.status, 202, restored.text)
        yield* is(id, "succeeded")
      })
    )
  )

  it.live("F45: runs and workflows are paused and resumed", () =>
    served(
      Effect.gen(function* () {
        broken = false
        const paused = yield* post("workflows/w/pause", { reason: "not now" })
        assert.strictEqual(paused.status, 202, paused.text)
        assert.strictEqual(dataOf(paused).paused, true)
        assert.strictEqual(dataOf(yield* send("GET", "/api/v1/workflows/w")).paused, true)
        const { id } = dataOf(yield* post("workflows/w/run"))
        assert.strictEqual(dataOf(yield* post(`runs/${id}/pause`)).paused, true)
        assert.strictEqual(dataOf(yield* post("workflows/w/resume")).paused, false)
        assert.deepInclude(yield* read(id), { status: "pending", paused: true })
        assert.strictEqual(dataOf(yield* post(`runs/${id}/resume`)).paused, false)
        yield* is(id, "succeeded")
        for (const verb of ["pause", "resume"]) {
          assert.strictEqual((yield* post(`runs/${id}/${verb}`)).json.currentStatus, "succeeded")
          for (const one of ["runs", "workflows", "recoveries"]) {
            assert.strictEqual((yield* post(`${one}/nobody/${verb}`)).status, 404)
          }
        }
      })
    )
  )

  it.live("F52: a run is replayed and forked as a new one", () =>
    served(
      Effect.gen(function* () {
        broken = false
        const { id } = dataOf(yield* post("workflows/w/run", { parameters: { day: 1 } }))
        yield* is(id, "succeeded")
        const key = { "idempotency-key": "again" }
        const replayed = yield* post(`runs/${id}/replay`, { allowStale: true }, key)
        assert.strictEqual(replayed.status, 202, replayed.text)
        assert.deepInclude(dataOf(replayed), { parameters: { day: 1 }, trigger: { type: "manual", replayOf: id } })
        assert.strictEqual(dataOf(yield* post(`runs/${id}/replay`, { allowStale: true }, key)).id, dataOf(replayed).id)
        assert.strictEqual((yield* post(`runs/${id}/replay`, {}, key)).json.code, "idempotency_key_reused")
        const forked = yield* post(`runs/${id}/fork`, { fromStep: "load" })
        assert.deepInclude(dataOf(forked).trigger as object, { forkOf: id, fromStep: "load" })
        for (const made of [replayed, forked]) yield* is(dataOf(made).id, "succeeded")
        const answers: ReadonlyArray<readonly [path: string, body: unknown, status: number]> = [
          ["runs/nobody/replay", {}, 404],
          ["runs/nobody/fork", { fromStep: "load" }, 404],
          [`runs/${id}/fork`, { fromStep: "other" }, 404],
          [`runs/${id}/fork`, {}, 400],
          [`runs/${id}/replay`, { force: true }, 400]
        ]
        for (const [path, body, status] of answers) assert.strictEqual((yield* post(path, body)).status, status, path)
      })
    )
  )

  it.live("F52: a replay with newer inputs is 409 and names them", () =>
    served(
      Effect.gen(function* () {
        yield* post("workflows/makes/run").pipe(Effect.flatMap((answer) => is(dataOf(answer).id, "succeeded")))
        const { id } = dataOf(yield* post("workflows/reads/run"))
        yield* is(id, "succeeded")
        yield* post("workflows/makes/run").pipe(Effect.flatMap((answer) => is(dataOf(answer).id, "succeeded")))
        const { json, status } = yield* post(`runs/${id}/replay`)
        assert.strictEqual(status, 409)
        assert.deepInclude(json, {
          code: "stale_inputs",
          inputs: [{ assetId: "base", partitionKey: null, recorded: 1, current: 2 }]
        })
      })
    )
  )

  it.live("F45 F84: what a person says why is kept with what follows", () =>
    served(
      Effect.gen(function* () {
        const id = yield* failedRun
        const given: ReadonlyArray<readonly [path: string, body: object]> = [
          ["steps/load/retry", {}],
          ["restore", { checkpoint: 1 }],
          ["replay", {}],
          ["fork", { fromStep: "load" }],
          ["recover", {}]
        ]
        for (const [path, body] of given) {
          yield* is(id, "failed")
          const answer = yield* post(`runs/${id}/${path}`, { ...body, reason: `because of ${path}` })
          assert.strictEqual(answer.status, 202, `${path}: ${answer.text}`)
        }
        const { text } = yield* send("GET", "/api/v1/events?limit=1000")
        for (const [path] of given) assert.include(text, `"reason":"because of ${path}"`)
      })
    )
  )

  it.live("what is wrong with a command is said, and what is nobody's is 404", () =>
    served(
      Effect.gen(function* () {
        const id = yield* failedRun
        const answers: ReadonlyArray<readonly [path: string, body: unknown, status: number, code: string]> = [
          [`runs/${id}/steps/load/skip`, {}, 400, "invalid_input"],
          [`runs/${id}/steps/load/skip`, { reason: " " }, 400, "invalid_input"],
          [`runs/${id}/steps/load/skip`, { reason: "x", because: "y" }, 400, "invalid_input"],
          [`runs/${id}/steps/load/skip`, { reason: "x", result: "x".repeat(300_000) }, 400, "invalid_input"],
          [`runs/${id}/steps/load/skip`, { reason: "x" }, 400, "invalid_input"],
          [`runs/${id}/steps/other/skip`, { reason: "x" }, 404, "not_found"],
          [`runs/${id}/steps/first/skip`, { reason: "x", force: true }, 409, "illegal_transition"],
          [`runs/${id}/steps/other/retry`, {}, 404, "not_found"],
          [`runs/${id}/steps/first/retry`, {}, 409, "illegal_transition"],
          ["runs/nobody/steps/load/retry", {}, 404, "not_found"],
          ["runs/nobody/restore", { checkpoint: 1 }, 404, "not_found"],
          [`runs/${id}/restore`, { checkpoint: 9 }, 404, "not_found"],
          [`runs/${id}/restore`, { checkpoint: 0 }, 400, "invalid_input"],
          [`runs/${id}/restore`, { checkpoint: "1" }, 400, "invalid_input"],
          [`runs/${id}/restore`, {}, 400, "invalid_input"]
        ]
        for (const [path, body, status, code] of answers) {
          const answer = yield* post(path, body)
          assert.deepStrictEqual([answer.status, answer.json.code], [status, code], `${path} ${answer.text}`)
        }
        assert.strictEqual((yield* send("GET", "/api/v1/runs/nobody/checkpoints")).status, 404)
        assert.strictEqual((yield* read(id)).status, "failed")
      })
    )
  )
})

describe("force", () => {
  const skipAs = (role: Role) => {
    const told: Array<unknown> = []
    const bearer = HttpApiMiddleware.layerClient(Authorization, ({ next, request }) =>
      next(HttpClientRequest.bearerToken(request, role))
    )
    const steering = Layer.mock(RunSteering, {
      skipStep: (id, _stepId, skip) => {
        told.push(skip)
        return Effect.succeed({ run: Fakes.runView(id, "running"), position: Fakes.position(1) })
      }
    })
    const authenticate = Layer.succeed(Authenticate, {
      identify: (credential) => Effect.succeed({ principal: Redacted.value(credential), role })
    })
    const handlers = SteeringHandlers.layer.pipe(
      Layer.provide(Layer.mergeAll(Fakes.layer(Fakes.makeState()), steering)),
      Layer.provideMerge(
        Layer.mergeAll(
          bearer,
          AuthorizationLive.layer.pipe(Layer.provide(Admission.layer(rateLimitsDefault)), Layer.provide(authenticate)),
          Rules.layerRequestRules,
          Rules.layerBodyRules,
          HttpServer.layerServices
        )
      )
    )
    return Effect.gen(function* () {
      const client = yield* HttpApiTest.groups(Api, ["steering"])
      const skip = (force: boolean) =>
        Effect.exit(
          client.steering.skipStep({
            params: { id: "ok-1", stepId: "load" },
            headers: {},
            payload: { reason: "it is late", force }
          })
        )
      const exits = [yield* skip(false), yield* skip(true)]
      return { exits: exits.map(({ _tag }) => _tag), told: told.length }
    }).pipe(Effect.provide(handlers))
  }

  it.effect("F45: is for admins, and is not tried for anybody else", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* skipAs("admin"), { exits: ["Success", "Success"], told: 2 })
      assert.deepStrictEqual(yield* skipAs("operator"), { exits: ["Success", "Failure"], told: 1 })
      assert.deepStrictEqual(yield* skipAs("viewer"), { exits: ["Failure", "Failure"], told: 0 })
    })
  )
})
