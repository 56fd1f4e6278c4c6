import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { coolDownMs, decider, type Unstamped } from "../../src/domain/recovery/RecoveryDecide.ts"
import type { Event } from "../../src/domain/recovery/RecoveryEvents.ts"
import { waiters } from "../../src/domain/recovery/RecoveryState.ts"
import {
  at,
  attemptFailed,
  ended,
  failed,
  fold,
  gone,
  join,
  joined,
  now,
  parentSettled,
  plan,
  plannedEvent,
  producer,
  producerRun,
  recovery,
  recoveryId,
  released,
  requested,
  restore,
  running,
  scheduled,
  settleParent,
  stepOf,
  succeeded
} from "./RecoveryScenario.ts"

const decided = (command: Unstamped, time: number, ...history: ReadonlyArray<Event>) =>
  Result.getOrThrow(decider.decide(at(time)(command), fold(...history)))
const one = stepOf("run-1")
const two = stepOf("run-2")

describe("Recovery: waiters", () => {
  it("the first report opens it, all later ones join it, each waiter once (F25, F36)", () => {
    recovery().when(now(join())).then(requested(), joined(one))
    recovery(requested(), joined(one))
      .when(now(join(two)))
      .then(joined(two))
    recovery(requested(), joined(one))
      .when(now(join(one)))
      .then()
    recovery(...running)
      .when(now(join(two)))
      .then(joined(two))
    recovery(...running)
      .when(now(join({ runId: "run-1", stepId: "other" })))
      .then(joined({ runId: "run-1", stepId: "other" }))
    recovery(...running)
      .when(now(join({ recoveryId: "child" })))
      .then(joined({ recoveryId: "child" }))
  })

  it("an operator can ask for it without waiting", () => {
    const { waiter: _, ...asked } = join() as Extract<Unstamped, { readonly _tag: "Join" }>
    recovery().when(now(asked)).then(requested())
    recovery(requested()).when(now(asked)).then()
  })

  it("takes over the best priority of its waiters (F63)", () => {
    recovery(requested(), joined(one))
      .when(now(join(two, { priority: 5 })))
      .then(joined(two, 5))
    assert.strictEqual(fold(requested(), joined(one), joined(two, 5)).priority, 5)
    recovery(requested(), joined(one, 5))
      .when(now(join(two, { priority: 50 })))
      .then(joined(two))
    recovery()
      .when(now(join(one, { priority: 5 })))
      .then(requested(1, { priority: 5 }), joined(one))
  })

  it("after it has succeeded there is nothing to wait for: whoever asks looks again (F32)", () => {
    recovery(...running, succeeded())
      .when(now(join(two)))
      .then()
    recovery(...running, succeeded("copy"))
      .when(at(10 * coolDownMs)(join(two, { reopen: true })))
      .then()
  })

  it("what was there after all, and is gone again, opens it afresh", () => {
    recovery(...running, succeeded("found"), released(1))
      .when(now(join(two)))
      .then(requested(2), joined(two))
  })

  it("a failed one answers with its failure until it has cooled down (F22, F29)", () => {
    const down = [...running, failed("source_asset"), released(1)]
    recovery(...down)
      .when(at(coolDownMs - 1)(join(two)))
      .then()
    recovery(...down)
      .when(at(coolDownMs)(join(two)))
      .then({ ...requested(2), at: coolDownMs } as Event, { ...joined(two), at: coolDownMs } as Event)
    recovery(...down)
      .when(now(join(two, { reopen: true })))
      .then(requested(2), joined(two))
    recovery(...running, failed("canceled"), released(1))
      .when(now(join(two)))
      .then()
  })

  it("a failed one is opened afresh by a newer version of the producing workflow, once a version", () => {
    const asked = requested(1, { producerVersion: 2 })
    recovery()
      .when(now(join(one, { producerVersion: 2 })))
      .then(asked, joined(one))
    // Also one that failed before it had a plan, and whatever version of another workflow the plan chose.
    for (const history of [
      [asked, failed("no_producer")],
      [asked, ...running.slice(1), failed("no_producer"), released(1)]
    ]) {
      recovery(...history)
        .when(now(join(two, { producerVersion: 2 })))
        .then()
      recovery(...history)
        .when(now(join(two, { producerVersion: 3 })))
        .then(requested(2, { producerVersion: 3 }), joined(two))
      recovery(...history, requested(2, { producerVersion: 3 }), failed("no_producer"))
        .when(now(join(two, { producerVersion: 3 })))
        .then()
    }
    recovery(requested(), failed("no_producer"))
      .when(now(join(two, { producerVersion: 1 })))
      .then(requested(2, { producerVersion: 1 }), joined(two))
  })

  it("whoever had not been told of the end before it was opened afresh waits on, in order (F25, F28)", () => {
    const three = stepOf("run-3")
    const history = [requested(), joined(one), joined(two), joined(three), failed("source_asset"), released(1)]
    recovery(...history)
      .when(now(join(two, { reopen: true })))
      .then(requested(2))
    const state = fold(...history, requested(2))
    assert.deepStrictEqual(waiters(state, 0, 10), [two, three])
    assert.strictEqual(state.released, 0)
    recovery(...history, requested(2))
      .when(now(join(three)))
      .then()
    recovery(...history, requested(2))
      .when(now(join(one)))
      .then(joined(one))
  })

  it("are told in the order in which they joined, and told of once", () => {
    const history = [requested(), joined(one), joined(two), succeeded()]
    assert.deepStrictEqual(waiters(fold(...history), 0, 2), [one, two])
    assert.deepStrictEqual(waiters(fold(...history), 1, 2), [two])
    const release = (count: number) => now({ _tag: "Release", released: count })
    recovery(...history)
      .when(release(1))
      .then(released(1))
    recovery(...history, released(1))
      .when(release(1))
      .then()
    recovery(...history, released(2))
      .when(release(1))
      .then()
    recovery(...history)
      .when(release(3))
      .then()
    recovery(requested(), joined(one)).when(release(1)).then()
  })
})

describe("Recovery: plan and parents", () => {
  const parents = { parents: ["p1", "p2"] }

  it("without missing inputs the first attempt is scheduled at once, counted before it runs (F24, F33, T9)", () => {
    recovery(requested()).when(now(plan())).then(plannedEvent(), scheduled(1))
    assert.deepStrictEqual(fold(requested(), plannedEvent(), scheduled(1)).producer?.parameters, { day: 1 })
  })

  it("waits for all its parents, and is scheduled when the last one has ended well (F16, F18, T28)", () => {
    recovery(requested())
      .when(now(plan(parents)))
      .then(plannedEvent(parents))
    const history = [requested(), plannedEvent(parents)]
    recovery(...history)
      .when(now(settleParent("p2")))
      .then(parentSettled("p2"))
    recovery(...history, parentSettled("p2"))
      .when(now(settleParent("p2")))
      .then()
    recovery(...history, parentSettled("p2"))
      .when(now(settleParent("p1")))
      .then(parentSettled("p1"), scheduled(1))
  })

  it("a parent that ended before the plan was recorded is not waited for (T35)", () => {
    recovery(requested())
      .when(now(settleParent("p1")))
      .then(parentSettled("p1"))
    recovery(requested(), parentSettled("p1"))
      .when(now(settleParent("p1")))
      .then()
    recovery(requested(), parentSettled("p1"))
      .when(now(plan(parents)))
      .then(plannedEvent(parents))
    recovery(requested(), parentSettled("p1"), parentSettled("p2"))
      .when(now(plan(parents)))
      .then(plannedEvent(parents), scheduled(1))
  })

  it("a parent that failed fails it at once, with that reason and the ancestor (F22, F28, T28)", () => {
    const message = `orders.raw[2024-01] cannot be remade before its input is back: ${gone.message}`
    const rootCause = { assetId: "inbox.csv", partitionKey: "", why: gone.message }
    const down: Event = { ...failed("source_asset", { ...gone, message }), rootCause } as Event
    recovery(requested(), plannedEvent(parents))
      .when(now(settleParent("p1", gone)))
      .then(parentSettled("p1", gone), down)
    recovery(requested(), parentSettled("p1", gone))
      .when(now(plan(parents)))
      .then(plannedEvent(parents), down)
  })

  it("a parent's reason that is none of the list is shown as an exhausted budget", () => {
    const events = decided(settleParent("p1", { ...gone, code: "weird" }), 0, requested(), plannedEvent(parents))
    assert(events[1]?._tag === "RecoveryFailed")
    assert.strictEqual(events[1].reasonCode, "budget_exhausted")
  })

  it("a plan, a rejection or a heal of an earlier round changes nothing", () => {
    const second = [requested(), failed("source_asset"), requested(2)]
    recovery(...second)
      .when(now(plan()))
      .then()
    recovery(...second)
      .when(now(restore("found")))
      .then()
    recovery(...second)
      .when(now({ _tag: "Reject", round: 1, reasonCode: "cycle", failure: gone }))
      .then()
    recovery(...second)
      .when(now(plan({}, 2)))
      .then(plannedEvent(), scheduled(1, ["load"], 2))
    recovery(requested(), plannedEvent(parents)).when(now(plan())).then()
    recovery(...running)
      .when(now(settleParent("p1")))
      .then()
  })

  it("what cannot be recovered fails at once with its reason and root cause, without a run (F22, T2)", () => {
    const rootCause = { assetId: "inbox.csv", partitionKey: "", why: "comes from outside" }
    recovery(requested())
      .when(now({ _tag: "Reject", round: 1, reasonCode: "source_asset", failure: gone, rootCause }))
      .then({ _tag: "RecoveryFailed", reasonCode: "source_asset", failure: gone, rootCause, at: 0 })
    recovery(requested(), failed("source_asset"))
      .when(now({ _tag: "Reject", round: 1, reasonCode: "source_asset", failure: gone }))
      .then()
  })

  it("a copy, or the asset found in place, ends it without a producer", () => {
    recovery(requested())
      .when(now(restore("copy")))
      .then(succeeded("copy"))
    recovery(requested())
      .when(now(restore("found")))
      .then(succeeded("found"))
    recovery(requested(), succeeded("copy"))
      .when(now(restore("copy")))
      .then()
  })
})

describe("Recovery: operators", () => {
  const cancel = now({ _tag: "Cancel", reason: "not needed" })
  const retry = now({ _tag: "Retry" })

  it("can cancel it while it goes on; its waiters are told so (F28)", () => {
    for (const history of [[requested()], [requested(), plannedEvent({ parents: ["p1"] })], running]) {
      const events = decided({ _tag: "Cancel", reason: "not needed" }, 0, ...history)
      assert(events[0]?._tag === "RecoveryFailed" && events.length === 1)
      assert.strictEqual(events[0].reasonCode, "canceled")
      assert.include(events[0].failure.message, "not needed")
      assert.strictEqual(fold(...history, ...events).status, "canceled")
    }
    const [unexplained] = decided({ _tag: "Cancel", reason: "" }, 0, ...running)
    assert(unexplained?._tag === "RecoveryFailed")
    assert.match(unexplained.failure.message, / was canceled$/)
    recovery(...running, succeeded())
      .when(cancel)
      .thenRejected("IllegalRecoveryTransition")
    recovery(...running, failed("canceled"))
      .when(cancel)
      .thenRejected("IllegalRecoveryTransition")
  })

  it("can open a failed or canceled one afresh, with a fresh budget (F78)", () => {
    const third = [...running, attemptFailed(1, 500), scheduled(2), failed("budget_exhausted"), released(1)]
    recovery(...third)
      .when(retry)
      .then(requested(2))
    const { attempt, failure: before, phase, reasonCode, status } = fold(...third, requested(2))
    assert.deepStrictEqual(
      { attempt, before, phase, reasonCode, status },
      {
        attempt: 0,
        before: null,
        phase: "idle",
        reasonCode: null,
        status: "requested"
      }
    )
    recovery(...running, failed("canceled"), released(1))
      .when(retry)
      .then(requested(2))
    for (const history of [[requested()], running, [...running, succeeded()]]) {
      recovery(...history)
        .when(retry)
        .thenRejected("IllegalRecoveryTransition")
    }
  })

  it("cannot do anything with one that nobody asked for; a look changes nothing", () => {
    const commands = [
      cancel,
      retry,
      now(plan()),
      now(restore()),
      now(ended(1)),
      now(settleParent("p1")),
      now({ _tag: "Tick", random: 0 })
    ]
    for (const command of commands) recovery().when(command).thenRejected("UnknownRecovery")
    recovery()
      .when(now({ _tag: "Read" }))
      .then()
    recovery(...running)
      .when(now({ _tag: "Read" }))
      .then()
  })

  it("each attempt of each round is a run of its own, named from the recovery, so that a crash starts no second one (F38)", () => {
    const ids = [producerRun(1), producerRun(2), producerRun(1, 2)]
    assert.strictEqual(new Set(ids).size, 3)
    assert.strictEqual(fold(...running).producerRunId, producerRun(1))
    assert.strictEqual(fold(...running).recoveryId, recoveryId)
    assert.deepStrictEqual(fold(...running).producer, producer)
  })
})
