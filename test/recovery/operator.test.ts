import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { PermanentFailure, TransientFailure } from "../../src/index.ts"
import { makes, stepFor, uses } from "../support/chainApp.ts"
import {
  define,
  ended,
  eventsOf,
  gate,
  play,
  ran,
  recoveries,
  start,
  stepIs,
  succeeded,
  until
} from "../support/engine.ts"

/** A producer that works at first, and then only when it is told that it is repaired. */
const breakable = () => {
  let made = 0
  let repaired = false
  const job = makes("base", () => {
    if (++made > 1 && !repaired) throw new PermanentFailure("the instrument is broken")
    return "base"
  })
  return {
    jobs: [job, uses("base")],
    made: () => made,
    repair: () => {
      repaired = true
    }
  }
}
const once = { assetId: "base", recovery: { maxAttempts: 1 } }
const workflows = {
  bases: { steps: [{ ...stepFor("make-base"), produces: [once] }] },
  users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
}

describe("what an operator does about a recovery", () => {
  it.live("F44: recover of a run that a failed recovery failed opens it again with a fresh budget", () => {
    const { jobs, made, repair } = breakable()
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const run = yield* ran("users")
        assert.strictEqual(run.failure?.code, "budget_exhausted")

        // Another run is answered with the failure: the budget is used up.
        const other = yield* ran("users")
        assert.strictEqual(other.failure?.code, "budget_exhausted")
        assert.strictEqual(made(), 2)

        repair()
        const caller = { commandId: "anna/recover/1", requestHash: "1" }
        const recovered = yield* engine.recoverRun(run.id, caller)
        assert.deepStrictEqual([recovered.kept, recovered.rerun], [[], ["use-base"]])
        assert.strictEqual((yield* ended(run.id)).status, "succeeded")
        const repeated = yield* engine.recoverRun(run.id, caller)
        assert.deepStrictEqual([repeated.kept, repeated.rerun], [[], ["use-base"]], "as it was answered at first")
        const [recovery] = yield* recoveries
        assert.strictEqual(recovery!.round, 2)
        assert.strictEqual(recovery!.status, "succeeded")
      })
    )
  })

  it.live("a retried recovery heals although nobody waits any more", () => {
    const { jobs, repair } = breakable()
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        yield* ran("users")
        const [failed] = yield* recoveries
        assert.strictEqual(failed!.status, "failed")
        repair()
        yield* engine.retryRecovery(failed!.id)
        const [recovery] = yield* until(recoveries, ([found]) => found?.status === "succeeded", "healed asset")
        assert.strictEqual(recovery!.round, 2)
        yield* succeeded("users")
        const again = yield* Effect.flip(engine.retryRecovery(failed!.id))
        assert.strictEqual(again._tag, "IllegalRecoveryTransition")
      })
    )
  })

  it.live("a new version of the producing workflow opens its failed recovery again", () => {
    const { jobs, repair } = breakable()
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        yield* ran("users")
        repair()
        yield* define({ bases: { ...workflows.bases, description: "repaired" } })
        yield* succeeded("users")
        assert.strictEqual((yield* recoveries)[0]!.round, 2)
      })
    )
  })

  it.live("a canceled recovery ends its producer's run, and its waiters fail with canceled", () => {
    const door = gate()
    let made = 0
    let aborted = false
    const jobs = [
      makes("base", async (ctx) => {
        if (++made === 1) return "base"
        ctx.signal.addEventListener("abort", () => {
          aborted = true
        })
        await door.pass()
        return "base"
      }),
      uses("base")
    ]
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const { id } = yield* start("users")
        yield* stepIs(id, "use-base", "waiting")
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "producer in progress")
        const [recovery] = yield* recoveries
        const canceled = yield* engine.cancelRecovery(recovery!.id, "not worth it")
        assert.strictEqual(canceled.recovery.status, "canceled")
        const run = yield* ended(id)
        assert.strictEqual(run.failure?.code, "canceled")
        assert.include(run.failure?.message, "not worth it")
        assert.strictEqual((yield* ended(recovery!.producerRunId!)).status, "canceled")
        yield* until(
          Effect.sync(() => aborted),
          (done) => done,
          "aborted signal"
        )
        door.open()
      })
    )
  })

  it.live("a canceled waiter leaves the recovery to finish its attempt, and no other begins", () => {
    const door = gate()
    let made = 0
    const jobs = [
      makes("base", async () => {
        if (++made === 1) return "base"
        await door.pass()
        throw new TransientFailure("the instrument is broken")
      }),
      uses("base")
    ]
    const patient = {
      ...workflows,
      bases: { steps: [stepFor("make-base", { produces: ["base"], retryPolicy: { strategy: "none" } })] }
    }
    return play({ jobs, workflows: patient }, (folder) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const { id } = yield* start("users")
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "producer in progress")
        yield* engine.cancelRun(id, "changed my mind")
        door.open()
        const [recovery] = yield* until(recoveries, ([found]) => found?.status === "canceled", "canceled recovery")
        assert.strictEqual(recovery!.attempts, 1)
        assert.strictEqual(made, 2)
        assert.strictEqual((yield* eventsOf("recovery", "RecoveryAttemptFailed")).length, 1)
      })
    )
  })

  it.live("an attempt that takes longer than attemptTimeoutMs is given up and its run canceled before the next", () => {
    let made = 0
    const door = gate()
    const jobs = [
      makes("base", async () => {
        if (++made === 2) await door.pass()
        return "base"
      }),
      uses("base")
    ]
    const hurried = {
      ...workflows,
      bases: {
        steps: [{ ...stepFor("make-base"), produces: [{ assetId: "base", recovery: { attemptTimeoutMs: 150 } }] }]
      }
    }
    return play({ jobs, workflows: hurried }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        yield* succeeded("users")
        assert.strictEqual(made, 3)
        const [failed] = yield* eventsOf("recovery", "RecoveryAttemptFailed")
        assert.strictEqual((failed!.failure as { code: string }).code, "timeout")
        assert.strictEqual((yield* eventsOf("run", "RunCanceled")).length, 1)
        door.open()
      })
    )
  })
})
