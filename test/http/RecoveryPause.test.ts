import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makes, stepFor, uses } from "../support/chainApp.ts"
import { eventsOf, gate, history, recoveries, until } from "../support/engine.ts"
import { send } from "./Harness.ts"
import { issue, servedIn } from "./realEngine.ts"

type Shown = { readonly id: string; readonly status: string } & Record<string, unknown>
const dataOf = ({ json }: { readonly json: Record<string, unknown> }) => json.data as Shown
const post = (path: string, body: unknown = {}, more: { token?: string; key?: string } = {}) =>
  send("POST", `/api/v1/${path}`, {
    body: JSON.stringify(body),
    headers: more.key === undefined ? {} : { "idempotency-key": more.key },
    ...(more.token === undefined ? {} : { token: more.token })
  })
const read = (path: string) => Effect.map(send("GET", `/api/v1/${path}`), dataOf)
const is = (path: string, status: string) => until(read(path), (one) => one.status === status, `${path} ${status}`)

describe("a recovery under way, over HTTP", () => {
  it.live("F45: is paused and resumed by an operator with a reason, once a key; once it has ended, 409 says so", () => {
    let made = 0
    const door = gate()
    const base = makes("base", async () => {
      if (++made === 2) {
        await door.pass()
        throw new Error("not yet")
      }
      return "base"
    })
    const jobs = [base, uses("base")]
    const once = { maxAttempts: 1, strategy: "none" }
    const workflows = {
      bases: { steps: [stepFor("make-base", { produces: ["base"], retryPolicy: once })] },
      users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
    }
    return servedIn({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        const operator = yield* issue("operator")
        yield* is(`runs/${dataOf(yield* post("workflows/bases/run")).id}`, "succeeded")
        rmSync(join(folder, "lake", "base.txt"))
        const runId = dataOf(yield* post("workflows/users/run")).id
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "attempt in progress")
        const [recovery] = yield* recoveries
        const path = `recoveries/${recovery!.id}`

        const asked = { reason: "the instrument is being repaired" }
        const by = { token: operator.token, key: "p1" }
        const paused = yield* post(`${path}/pause`, asked, by)
        assert.strictEqual(paused.status, 202, paused.text)
        assert.deepInclude(dataOf(paused), { id: recovery!.id, status: "running", paused: true })
        assert.strictEqual((yield* post(`${path}/pause`, asked, by)).json.position, paused.json.position)
        const reused = yield* post(`${path}/pause`, { reason: "another" }, by)
        assert.deepStrictEqual([reused.status, reused.json.code], [422, "idempotency_key_reused"])
        assert.isTrue((yield* read(path)).paused)
        assert.deepInclude(yield* read(`${path}?at=${String(paused.json.position)}`), { paused: true })

        door.open()
        yield* until(
          eventsOf(`recovery-${recovery!.id}`, "RecoveryAttemptFailed"),
          (events) => events.length === 1,
          "failure"
        )
        // Long enough for the next attempt, if there could be one.
        yield* Effect.sleep("1500 millis")
        assert.strictEqual(made, 2)
        assert.deepInclude(yield* read(`runs/${runId}`), { status: "waiting" })

        const resumed = yield* post(`${path}/resume`, {}, { token: operator.token })
        assert.strictEqual(resumed.status, 202, resumed.text)
        assert.deepInclude(dataOf(resumed), { paused: false })
        yield* is(path, "succeeded")
        yield* is(`runs/${runId}`, "succeeded")
        assert.strictEqual(made, 3)

        const told = (yield* history).filter(({ type }) => type === "RecoveryPaused" || type === "RecoveryResumed")
        assert.deepStrictEqual(
          told.map(({ metadata, type }) => [type, metadata.principal]),
          ["RecoveryPaused", "RecoveryResumed"].map((type) => [type, `token:${operator.id}`])
        )
        assert.strictEqual(JSON.parse(told[0]!.payload).reason, asked.reason)
        for (const verb of ["pause", "resume"]) {
          const late = yield* post(`${path}/${verb}`)
          assert.strictEqual(late.status, 409, late.text)
          assert.deepInclude(late.json, { code: "illegal_transition", command: verb, currentStatus: "succeeded" })
        }
      })
    )
  })
})
