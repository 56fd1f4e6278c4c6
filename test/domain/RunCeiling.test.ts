import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { decider, storeAttentionMs } from "../../src/domain/run/RunDecide.ts"
import type { Unstamped } from "../../src/domain/run/RunCommands.ts"
import type { Event } from "../../src/domain/run/RunEvents.ts"
import { step } from "../../src/domain/run/RunState.ts"
import {
  at,
  badly,
  begin,
  block,
  chain,
  end,
  failed,
  fold,
  healing,
  interrupt,
  locate,
  missing,
  now,
  outage,
  pair,
  permanent,
  recovered,
  requested,
  resumed,
  retryAt,
  run,
  runFailed,
  started,
  storeBack,
  suspended,
  tried,
  unrecovered,
  workflow
} from "./RunScenario.ts"

/** A run of one step that misses its input in the first attempt; the loss is being reported. */
const lost = (definition = tried(1)) => [requested(definition), started("load"), failed("load", missing, false)]
const waiting = (definition = tried(1)) => [...lost(definition), suspended("load", healing())]
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

describe("Run: the ceiling of heals", () => {
  const two = tried(1, { ceilingPerRun: 2 })
  const ceilingReached = (...history: ReadonlyArray<Event>) => {
    const attempt = step(fold(...history), "load").attempt
    const [first, second] = decided(locate("load", healing("r9"), attempt), ...history)
    assert(first?._tag === "StepFailed" && second?._tag === "RunFailed")
    assert.strictEqual(first.failure.code, "ceiling_reached")
    assert.deepStrictEqual(first.failure.asset, { assetId: "orders.csv", partitionKey: "" })
    assert.include(first.failure.message, "ceilingPerRun is 2")
  }

  it("stops an asset that vanishes after each heal; no success resets it (T34)", () => {
    ceilingReached(...heal(2, two), started("load", 3), failed("load", missing, false, 3))
  })

  it("is not reset by recover either (T34)", () => {
    const down = [failed("load", unrecovered, true, 2), runFailed("load", unrecovered), recovered([], ["load"])]
    ceilingReached(...heal(2, two), ...down, started("load", 3), failed("load", missing, false, 3))
  })

  it("counts a recovery once however many steps wait for it", () => {
    const both = workflow(["left", "right"].map((id) => ({ id, recovery: { ceilingPerRun: 1 } })))
    const history = [
      requested(both),
      ...["left", "right"].flatMap((stepId) => [started(stepId), failed(stepId, missing, false)]),
      suspended("left", healing())
    ]
    run(...history)
      .when(now(locate("right", healing())))
      .then(suspended("right", healing()))
    assert.strictEqual(fold(...history, suspended("right", healing())).heals, 1)
  })

  it("counts a recovery again that was opened again for the same step (T34)", () => {
    const again = [...waiting(two), resumed("load", "recovered", "r1"), started("load", 2)]
    const twice = [...again, failed("load", missing, false, 2), suspended("load", healing(), 2)]
    assert.strictEqual(fold(...twice).heals, 2)
    assert.deepStrictEqual(fold(...twice).healedBy, ["r1"])
    ceilingReached(...twice, resumed("load", "recovered", "r1"), started("load", 3), failed("load", missing, false, 3))
  })

  it("does not count inputs that are produced for the first time: nothing was lost", () => {
    const inputs = Array.from({ length: 11 }, (_, index) => ({ ...healing(`i${index}`), type: "input" }) as const)
    const history: Array<Event> = [requested(two)]
    for (const input of inputs)
      history.push(suspended("load", input, 0), resumed("load", "recovered", input.recoveryId))
    assert.strictEqual(fold(...history).heals, 0)
    const next = { ...healing("i11"), type: "input" } as const
    run(...history)
      .when(now(block("load", next)))
      .then(suspended("load", next, 0))
  })
})

describe("Run: the deadline of a wait", () => {
  it("fails the step with the trail of what it waited for (F30)", () => {
    run(...waiting())
      .when(at(599_999)({ _tag: "Tick" }))
      .then()
    const events = Result.getOrThrow(decider.decide(at(600_000)({ _tag: "Tick" }), fold(...waiting())))
    assert.deepStrictEqual(
      events.map(({ _tag }) => _tag),
      ["StepFailed", "RunFailed"]
    )
    assert(events[0]?._tag === "StepFailed")
    const { asset, code, message } = events[0].failure
    assert.strictEqual(code, "deadline_exceeded")
    assert.deepStrictEqual(asset, { assetId: "orders.csv", partitionKey: "" })
    for (const part of ["600000 ms", "orders.csv", "recovery r1", missing.message]) assert.include(message, part)
  })

  it("is over when the step has been woken", () => {
    run(...waiting(), resumed("load", "recovered", "r1"))
      .when(at(600_000)({ _tag: "Tick" }))
      .then()
  })

  it("of one step leaves the other waiting steps to theirs", () => {
    const history = [
      requested(pair),
      ...["left", "right"].flatMap((stepId) => [started(stepId), failed(stepId, missing, false)]),
      suspended("left", healing(), 1, 1_000),
      suspended("right", healing("r2"), 1, 2_000)
    ]
    const events = Result.getOrThrow(decider.decide(at(1_000)({ _tag: "Tick" }), fold(...history)))
    assert.deepStrictEqual(
      events.map((event) => [event._tag, "stepId" in event && event.stepId]),
      [
        ["StepFailed", "left"],
        ["RunFailed", "left"]
      ]
    )
  })
})

describe("Run: a store that is away", () => {
  const away = [
    requested(tried(1)),
    started("load"),
    failed("load", outage, false),
    suspended("load", storeBack, 1, null)
  ]

  it("makes the step wait for the store, without deadline, retries or heals (F3)", () => {
    run(requested(tried(1)), started("load"))
      .when(now(end("load", badly(outage))))
      .then(failed("load", outage, false), suspended("load", storeBack, 1, null))
    const state = fold(...away)
    assert.deepStrictEqual([state.heals, step(state, "load").retries], [0, 0])
  })

  it("goes on when that store answers again, once", () => {
    const release = now({ _tag: "ReleaseStore", store: "warehouse" })
    run(...away)
      .when(release)
      .then(resumed("load", "store"))
    run(...away, resumed("load", "store"))
      .when(release)
      .then()
    run(...away)
      .when(now({ _tag: "ReleaseStore", store: "inbox" }))
      .then()
    run(...waiting())
      .when(release)
      .then()
  })

  it("asks for a human look after 15 minutes, once a wait", () => {
    const raised: Event = {
      _tag: "RunAttentionRaised",
      stepId: "load",
      reason: "store warehouse is unavailable",
      at: storeAttentionMs
    }
    run(...away)
      .when(at(storeAttentionMs - 1)({ _tag: "Tick" }))
      .then()
    run(...away)
      .when(at(storeAttentionMs)({ _tag: "Tick" }))
      .then(raised)
    run(...away, raised)
      .when(at(2 * storeAttentionMs)({ _tag: "Tick" }))
      .then()
    const again = [...away, raised, resumed("load", "store"), started("load", 2), failed("load", outage, false, 2)]
    const waits = { ...suspended("load", storeBack, 2, null), at: storeAttentionMs }
    run(...again, waits)
      .when(at(2 * storeAttentionMs)({ _tag: "Tick" }))
      .then({ ...raised, at: 2 * storeAttentionMs } as Event)
  })

  it("without a name is tried again like any other failure: nobody could say that it is back", () => {
    const { store: _, ...nameless } = outage
    run(requested(tried(2)), started("load"))
      .when(now(end("load", badly(nameless))))
      .then(failed("load", nameless, false), {
        ...retryAt("load", 100),
        reason: `store_unavailable: ${outage.message}`
      } as Event)
  })
})

describe("Run: what a failing run leaves behind", () => {
  it("waits of a failed run are over, and recover begins their steps anew (F44)", () => {
    const history = [
      requested(pair),
      ...["left", "right"].flatMap((stepId) => [started(stepId), failed(stepId, missing, false)]),
      suspended("left", healing()),
      failed("right", permanent, true),
      runFailed("right", permanent)
    ]
    const { status, waitingFor } = step(fold(...history), "left")
    assert.deepStrictEqual({ status, waitingFor }, { status: "pending", waitingFor: undefined })
    const rerun = [...history, recovered([], ["left", "right"])]
    run(...rerun)
      .when(now(begin("left")))
      .then(started("left", 2))
    run(...rerun)
      .when(now(block("left", healing())))
      .then(suspended("left", healing()))
  })

  it("a crash while one step executes and another waits leaves the waiting one as it is (F38)", () => {
    const history = [
      requested(pair),
      started("left"),
      failed("left", missing, false),
      suspended("left", healing()),
      started("right")
    ]
    const events = decided(interrupt(), ...history)
    assert.deepStrictEqual(
      events.map(({ _tag }) => _tag),
      ["RunInterrupted"]
    )
    assert.strictEqual(step(fold(...history, ...events), "left").status, "waiting")
  })

  it("a run of one step that waits is complete only after the step is (F27)", () => {
    run(requested(chain), started("load"), failed("load", missing, false), suspended("load", healing()))
      .when(now(begin("report")))
      .then()
  })
})
