import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type * as Server from "../../src/http/Server.ts"
import { define, gate, layerMemory, temporaryFolder, until } from "../support/engine.ts"
import * as Fakes from "../http/Fakes.ts"
import { send, server } from "../http/Harness.ts"
import { daily, making } from "./days.ts"

/** A real server in front of a real engine. */
const served = <A, E>(job: ReturnType<typeof making>, body: Effect.Effect<A, E, Server.Listening>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const baseDir = yield* temporaryFolder
      const state = Fakes.makeState()
      const engine = Layer.effectDiscard(define(daily)).pipe(
        Layer.provideMerge(layerMemory({ jobs: [job], baseDir })),
        Layer.orDie
      )
      const behind = Layer.mergeAll(Fakes.reads(state), Fakes.inventory, engine)
      return yield* Effect.provide(body, server(state, behind))
    })
  )

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  send("POST", path, { body: JSON.stringify(body), headers })
interface Shown {
  readonly id: string
  readonly status: string
  readonly [field: string]: unknown
}
const dataOf = (answer: { readonly json: Record<string, unknown> }) => answer.json.data as Shown
const read = (id: string) => Effect.map(send("GET", `/api/v1/backfills/${id}`), dataOf)
const range = { workflow: "days", partitions: { from: "2024-01-01", to: "2024-01-03" } }

describe("/backfills", () => {
  it.live("F66: a dry run says what would run, and the request runs it; the same key asks once", () =>
    served(
      making(),
      Effect.gen(function* () {
        const plan = yield* post("/api/v1/backfills", { ...range, dryRun: true })
        assert.strictEqual(plan.status, 200, plan.text)
        assert.deepStrictEqual(plan.json, {
          data: {
            ...{ workflow: "days", assetId: null, total: 3, wouldRun: 3, wouldSkip: 0, unknown: 0 },
            partitions: ["2024-01-01", "2024-01-02", "2024-01-03"]
          }
        })
        const key = { "idempotency-key": "once" }
        const asked = yield* post("/api/v1/backfills", { ...range, reason: "new" }, key)
        assert.strictEqual(asked.status, 202, asked.text)
        assert.isString(asked.json.position)
        const again = yield* post("/api/v1/backfills", { ...range, reason: "new" }, key)
        assert.strictEqual(dataOf(again).id, dataOf(asked).id)
        const other = yield* post("/api/v1/backfills", { ...range, reason: "old" }, key)
        assert.strictEqual(other.json.code, "idempotency_key_reused")
        const { id } = dataOf(asked)
        const done = yield* until(read(id), ({ status }) => status === "succeeded", "end of the backfill")
        assert.deepInclude(done, { total: 3, succeeded: 3, failed: 0, running: 0, waiting: 0, reason: "new" })
        const before = yield* send("GET", `/api/v1/backfills/${id}?at=${String(asked.json.position)}`)
        assert.deepInclude(dataOf(before), { status: "running", succeeded: 0 })
      })
    )
  )

  it.live("F66: pause, resume and cancel answer 202, and 409 with the status where it does not allow them", () => {
    const door = gate()
    return served(
      making(() => door.pass()),
      Effect.gen(function* () {
        const { id } = dataOf(yield* post("/api/v1/backfills", { ...range, concurrency: 1 }))
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "first run")
        const steer = (verb: string, body: unknown = {}) => post(`/api/v1/backfills/${id}/${verb}`, body)
        const paused = yield* steer("pause", { reason: "night" })
        assert.deepStrictEqual([paused.status, dataOf(paused).status], [202, "paused"])
        const twice = yield* steer("pause")
        assert.deepInclude(twice.json, { status: 409, code: "illegal_transition", currentStatus: "paused" })
        assert.strictEqual(dataOf(yield* steer("resume")).status, "running")
        assert.strictEqual((yield* steer("cancel", { reason: "wrong" })).status, 202)
        door.open()
        yield* until(read(id), ({ status }) => status === "canceled", "canceled backfill")
        assert.strictEqual((yield* steer("resume")).json.currentStatus, "canceled")
        assert.strictEqual((yield* post("/api/v1/backfills/nope/cancel", {})).status, 404)
        assert.strictEqual((yield* send("GET", "/api/v1/backfills/nope")).status, 404)
      })
    )
  })

  it.live("F66: what is wrong with a request is told with its path", () =>
    served(
      making(),
      Effect.gen(function* () {
        const faults: ReadonlyArray<readonly [object, string]> = [
          [{ partitions: {} }, "partitions.keys is missing"],
          [{ partitions: "some" }, `partitions must be "all", {"from": key, "to": key} or {"keys": [key, …]}`],
          [{ partitions: { from: "2024-01-01" } }, "partitions.to is missing"],
          [{ partitions: { from: "2024-01-01", to: "2999-01-01" } }, "partitions.to must be a window that has begun"],
          [{ concurrency: 0 }, "concurrency must be a whole number from 1 to 100"],
          [{ canary: 1.5 }, "canary must be"],
          [{ speed: 9 }, "speed is not known here"],
          [{ assetId: "nights" }, "assetId must be an asset that the workflow produces"]
        ]
        for (const [fault, told] of faults) {
          const { json, status } = yield* post("/api/v1/backfills", { ...range, ...fault })
          const errors = (json.errors ?? []) as ReadonlyArray<{ readonly path: string; readonly message: string }>
          assert.strictEqual(status, 400, JSON.stringify(json))
          assert.include(errors.map(({ message, path }) => `${path} ${message}`).join("\n"), told)
        }
        assert.strictEqual((yield* post("/api/v1/backfills", { ...range, workflow: "nights" })).status, 404)
      })
    )
  )
})
