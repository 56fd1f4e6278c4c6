import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { decider } from "../../src/domain/run/RunDecide.ts"
import type { Unstamped, Verdict } from "../../src/domain/run/RunCommands.ts"
import type { Event } from "../../src/domain/run/RunEvents.ts"
import { step } from "../../src/domain/run/RunState.ts"
import {
  at,
  badly,
  begin,
  block,
  end,
  failed,
  fold,
  healing,
  locate,
  missing,
  now,
  pair,
  permanent,
  requested,
  resumed,
  retryAt,
  run,
  runCanceled,
  runFailed,
  settle,
  started,
  succeeded,
  suspended,
  transient,
  tried,
  unrecovered,
  well
} from "./RunScenario.ts"

/** A run of one step that misses its input in the first attempt; the loss is being reported. */
const lost = (definition = tried(1)) => [requested(definition), started("load"), failed("load", missing, false)]
const waiting = (definition = tried(1)) => [...lost(definition), suspended("load", healing())]
const verdict = (answer: Verdict, attempt = 1): Unstamped => ({
  _tag: "Locate",
  stepId: "load",
  attempt,
  verdict: answer
})
const heal = (times: number, definition = tried(1)) => {
  const history: Array<Event> = [requested(definition)]
  for (let round = 1; round <= times; round++) {
    const recoveryId = `r${round}`
    history.push(started("load", round), failed("load", missing, false, round))
    history.push(suspended("load", healing(recoveryId), round), resumed("load", "recovered", recoveryId))
  }
  return history
}
const decided = (command: Unstamped, ...history: ReadonlyArray<Event>) =>
  Result.getOrThrow(decider.decide(now(command), fold(...history)))

describe("Run: a lost asset", () => {
  it("is reported before anything else happens; it costs none of the step's retries (F1, F41)", () => {
    run(requested(tried(1)), started("load"))
      .when(now(end("load", badly(missing))))
      .then(failed("load", missing, false))
    const corrupt = { ...missing, class: "corrupt" } as const
    run(requested(tried(1)), started("load"))
      .when(now(end("load", badly(corrupt))))
      .then(failed("load", corrupt, false))
    assert.strictEqual(step(fold(...waiting()), "load").retries, 0)
  })

  it("makes its step wait, with asset, recovery, since and a deadline (F26, F30)", () => {
    run(...lost())
      .when(now(locate("load", healing())))
      .then(suspended("load", healing()))
    const { deadlineAt, status, waitingFor } = step(fold(...waiting()), "load")
    assert.deepStrictEqual(
      { deadlineAt, status, waitingFor },
      {
        deadlineAt: 600_000,
        status: "waiting",
        waitingFor: { ...healing(), since: 0 }
      }
    )
  })

  it("lets the other steps go on while one waits (F26, T13)", () => {
    const history = [requested(pair), started("left"), failed("left", missing, false), suspended("left", healing())]
    run(...history)
      .when(now(begin("right")))
      .then(started("right"))
    run(...history, started("right"))
      .when(now(end("right", well)))
      .then(succeeded("right"))
    assert.strictEqual(fold(...history, started("right"), succeeded("right")).ended, null)
  })

  it("found in place after all counts as transient, so that it cannot loop", () => {
    const present = now(verdict({ type: "retry", random: 0 }))
    run(...lost(tried(2)))
      .when(present)
      .then({ ...retryAt("load", 100), reason: `asset_missing: ${missing.message}` } as Event)
    run(...lost(tried(1)))
      .when(present)
      .then(failed("load", missing, true), runFailed("load", missing))
  })

  it("healed meanwhile makes the step look again at once", () => {
    run(...lost())
      .when(now(verdict({ type: "again" })))
      .then(resumed("load", "present"))
    run(requested(tried(1)))
      .when(now({ _tag: "BlockStep", stepId: "load", verdict: { type: "again" } }))
      .then()
  })

  it("that cannot be recovered fails the step with the reason (F22, F50, T2)", () => {
    run(...lost())
      .when(now(verdict({ type: "fail", failure: unrecovered })))
      .then(failed("load", unrecovered, true), runFailed("load", unrecovered))
    run(requested(tried(1)))
      .when(now({ _tag: "BlockStep", stepId: "load", verdict: { type: "fail", failure: unrecovered } }))
      .then(failed("load", unrecovered, true, 0), runFailed("load", unrecovered))
  })

  it("is told of once: a verdict for another attempt, or after the step went on, changes nothing", () => {
    run(...lost())
      .when(now(locate("load", healing(), 2)))
      .then()
    run(...waiting())
      .when(now(locate("load", healing())))
      .then()
    run(requested(tried(1)), started("load"))
      .when(now(locate("load", healing())))
      .then()
    run(...waiting())
      .when(now(block("load", healing())))
      .then()
    run(requested(tried(1)), started("load"))
      .when(now(block("load", healing())))
      .then()
  })

  it("among the inputs blocks a step before it begins, also before a retry (F6)", () => {
    run(requested(tried(1)))
      .when(now(block("load", healing())))
      .then(suspended("load", healing(), 0))
    const retrying = [requested(tried(2)), started("load"), failed("load", transient, false), retryAt("load", 100)]
    run(...retrying)
      .when(now(block("load", healing())))
      .then(suspended("load", healing()))
  })
})

describe("Run: the end of a recovery", () => {
  it("wakes the step that waits for it, once (F27)", () => {
    run(...waiting())
      .when(now(settle("load")))
      .then(resumed("load", "recovered", "r1"))
    run(...waiting(), resumed("load", "recovered", "r1"))
      .when(now(settle("load")))
      .then()
    run(...waiting(), resumed("load", "recovered", "r1"), started("load", 2))
      .when(now(settle("load")))
      .then()
  })

  it("does not wake a step that waits for another one", () => {
    run(...waiting())
      .when(now(settle("load", "r2")))
      .then()
    run(...waiting())
      .when(now(settle("load", "r2", unrecovered)))
      .then()
  })

  it("that failed fails each waiting step in its own words (F28, T1, T33)", () => {
    const history = [
      requested(pair),
      ...["left", "right"].flatMap((stepId) => [
        started(stepId),
        failed(stepId, missing, false),
        suspended(stepId, healing())
      ])
    ]
    for (const stepId of ["left", "right"]) {
      const [first, second] = decided(settle(stepId, "r1", unrecovered), ...history)
      assert(first?._tag === "StepFailed" && second?._tag === "RunFailed")
      assert.strictEqual(first.stepId, stepId)
      assert.include(first.failure.message, `step ${stepId} waited`)
      assert.include(first.failure.message, unrecovered.message)
      assert.strictEqual(first.failure.code, "budget_exhausted")
      assert.strictEqual(second.stepId, stepId)
    }
  })

  it("while the step is about to suspend is not lost: it looks again instead of waiting (T35)", () => {
    run(...lost())
      .when(now(settle("load")))
      .then(resumed("load", "recovered", "r1"))
    // The verdict that was on its way belongs to what is over.
    run(...lost(), resumed("load", "recovered", "r1"))
      .when(now(locate("load", healing())))
      .then()
  })

  it("before a blocked step has said that it waits is not lost (T35)", () => {
    run(requested(tried(1)))
      .when(now(settle("load")))
      .then(resumed("load", "recovered", "r1"))
    const settled = [requested(tried(1)), resumed("load", "recovered", "r1")]
    run(...settled)
      .when(now(settle("load")))
      .then()
    run(...settled)
      .when(now(block("load", healing())))
      .then(resumed("load", "settled", "r1"))
    run(...settled)
      .when(now(block("load", healing("r2"))))
      .then(suspended("load", healing("r2"), 0))
  })

  it("before a retry that is due has said that it waits is not lost; the back-off is not cut short (T35, F42)", () => {
    const retrying = [requested(tried(2)), started("load"), failed("load", transient, false), retryAt("load", 100)]
    run(...retrying)
      .when(at(99)(settle("load")))
      .then()
    run(...retrying)
      .when(at(100)(settle("load")))
      .then({ ...resumed("load", "recovered", "r1"), at: 100 } as Event)
  })

  it("that failed while the step is about to suspend is not lost either (F28, T35)", () => {
    run(...lost())
      .when(now(settle("load", "r1", unrecovered)))
      .then(resumed("load", "recovery failed", "r1"))
    run(requested(tried(1)), resumed("load", "recovery failed", "r1"))
      .when(now(block("load", healing())))
      .then(resumed("load", "settled", "r1"))
  })

  it("excuses one wait only: a recovery that was opened again is waited for (T34, T35)", () => {
    const looked = [requested(tried(1)), resumed("load", "recovered", "r1"), resumed("load", "settled", "r1")]
    run(...looked)
      .when(now(block("load", healing())))
      .then(suspended("load", healing(), 0))
    const lostAgain = [...waiting(), resumed("load", "recovered", "r1"), started("load", 2)]
    run(...lostAgain, failed("load", missing, false, 2))
      .when(now(locate("load", healing(), 2)))
      .then(suspended("load", healing(), 2))
  })

  it("whose message was lost is found by looking again (F27)", () => {
    run(...waiting())
      .when(now({ _tag: "Recheck", waitsOn: "recovery-r1" }))
      .then(resumed("load", "recheck"))
    run(...waiting())
      .when(now({ _tag: "Recheck", waitsOn: "recovery-r2" }))
      .then()
    run(...waiting(), resumed("load", "recheck"))
      .when(now({ _tag: "Recheck", waitsOn: "recovery-r1" }))
      .then()
  })

  it("comes too late for a run that has ended or failed meanwhile", () => {
    run(...waiting(), runCanceled)
      .when(now(settle("load")))
      .then()
    run(...waiting(), runFailed("load", permanent))
      .when(now(settle("load", "r1", unrecovered)))
      .then()
  })

  it("ten times in a row wakes its step ten times (T5)", () => {
    const ten = tried(1, { ceilingPerRun: 10 })
    const history = [...heal(9, ten), started("load", 10), failed("load", missing, false, 10)]
    const waits = [...history, suspended("load", healing("r10"), 10)]
    run(...waits)
      .when(now(settle("load", "r10")))
      .then(resumed("load", "recovered", "r10"))
  })
})
