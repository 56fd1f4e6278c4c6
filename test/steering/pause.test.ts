import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { RunSteering } from "../../src/actors/RunSteering.ts"
import { defineJob } from "../../src/index.ts"
import { makes, stepFor, uses } from "../support/chainApp.ts"
import {
  ended,
  eventsOf,
  gate,
  play,
  recoveries,
  start,
  stepIs,
  stepOf,
  succeeded,
  typesOf,
  until
} from "../support/engine.ts"

const second = defineJob({ slug: "second", run: async () => ({ result: { ran: true } }) })
/** Long enough for what must not happen to happen, if it could. */
const aWhile = Effect.sleep("300 millis")

describe("pause and resume", () => {
  it.live("F45: a paused run ends what executes and begins nothing; resumed it goes on", () => {
    const door = gate()
    const first = defineJob({ slug: "first", run: () => door.pass() })
    const workflows = { w: { steps: [stepFor("first"), { ...stepFor("second"), dependsOn: ["first"] }] } }
    return play({ jobs: [first, second], workflows }, () =>
      Effect.gen(function* () {
        const steering = yield* RunSteering
        const { id } = yield* start("w")
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "step in progress")
        const paused = yield* steering.pauseRun(id, "the supplier is down", { principal: "anna" })
        assert.deepInclude(paused.run, { paused: true, status: "running" })
        yield* steering.pauseRun(id, "again")
        door.open()
        yield* stepIs(id, "first", "succeeded")
        yield* aWhile
        assert.strictEqual(stepOf(yield* (yield* Engine).run(id), "second").status, "pending")
        const resumed = yield* steering.resumeRun(id)
        assert.strictEqual(resumed.run.paused, false)
        assert.strictEqual((yield* ended(id)).status, "succeeded")
        const [event, ...more] = yield* eventsOf(`run-${id}`, "RunPaused")
        assert.deepInclude(event, { reason: "the supplier is down" })
        assert.lengthOf(more, 0)
        const refused = yield* Effect.flip(steering.pauseRun(id, ""))
        assert.deepInclude(refused, { _tag: "IllegalTransition", command: "pause", status: "succeeded" })
      })
    )
  })

  it.live("F45: a paused workflow accepts runs, and none of them begins a step until it is resumed", () => {
    const limited = { concurrency: 1, steps: [stepFor("second")] }
    const workflows = { w: { steps: [stepFor("second")] }, limited, other: { steps: [stepFor("second")] } }
    return play({ jobs: [second], workflows }, () =>
      Effect.gen(function* () {
        const engine = yield* Engine
        const steering = yield* RunSteering
        for (const slug of ["w", "limited"]) {
          const { workflow } = yield* steering.pauseWorkflow(slug, "the supplier is down")
          assert.isTrue(workflow.paused)
          assert.isTrue((yield* engine.workflow(slug)).paused)
          const runs = [yield* start(slug), yield* start(slug)]
          yield* succeeded("other")
          yield* aWhile
          for (const { id } of runs) assert.deepInclude(yield* engine.run(id), { status: "pending", paused: false })
          yield* steering.resumeWorkflow(slug)
          for (const { id } of runs) assert.strictEqual((yield* ended(id)).status, "succeeded")
        }
        const types = yield* typesOf("workflow-w")
        assert.deepStrictEqual(types, ["WorkflowDefined", "WorkflowPaused", "WorkflowResumed"])
        const unknown = yield* Effect.flip(steering.pauseWorkflow("nobody", ""))
        assert.deepInclude(unknown, { _tag: "NotFound", kind: "workflow" })
      })
    )
  })

  it.live("F45: a paused workflow has nothing made or healed for its runs", () => {
    const workflows = {
      bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
      users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
    }
    return play({ jobs: [makes("base"), uses("base")], workflows }, () =>
      Effect.gen(function* () {
        const steering = yield* RunSteering
        yield* steering.pauseWorkflow("users", "not now")
        const { id } = yield* start("users")
        yield* aWhile
        assert.deepStrictEqual(yield* recoveries, [])
        yield* steering.resumeWorkflow("users")
        assert.strictEqual((yield* ended(id)).status, "succeeded")
        assert.lengthOf(yield* recoveries, 1)
      })
    )
  })

  it.live("F45: a paused recovery begins no attempt, and its waiters wait", () => {
    let made = 0
    const door = gate()
    const base = makes("base", async () => {
      if (++made === 2) {
        await door.pass()
        throw new Error("not yet")
      }
      return "base"
    })
    const once = { maxAttempts: 1, strategy: "none" }
    const workflows = {
      bases: { steps: [{ ...stepFor("make-base", { produces: ["base"], retryPolicy: once }) }] },
      users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
    }
    return play({ jobs: [base, uses("base")], workflows }, (folder) =>
      Effect.gen(function* () {
        const steering = yield* RunSteering
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const { id } = yield* start("users")
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "attempt in progress")
        const [recovery] = yield* recoveries
        const paused = yield* steering.pauseRecovery(recovery!.id, "the instrument is being repaired")
        assert.isTrue(paused.recovery.paused)
        door.open()
        yield* until(typesOf(`recovery-${recovery!.id}`), (types) => types.includes("RecoveryAttemptFailed"), "failure")
        yield* Effect.sleep("1500 millis")
        assert.strictEqual(made, 2)
        yield* stepIs(id, "use-base", "waiting")
        yield* steering.resumeRecovery(recovery!.id)
        assert.strictEqual((yield* ended(id)).status, "succeeded")
        assert.strictEqual(made, 3)
        const refused = yield* Effect.flip(steering.pauseRecovery(recovery!.id, ""))
        assert.deepInclude(refused, { _tag: "IllegalRecoveryTransition", status: "succeeded" })
      })
    )
  })
})
