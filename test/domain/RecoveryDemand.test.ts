import { assert, describe, it } from "@effect/vitest"
import {
  demands,
  isResident,
  key,
  releaseBatchMax,
  wakeAt,
  waitsOnKeys
} from "../../src/domain/recovery/RecoveryDemand.ts"
import type { Event } from "../../src/domain/recovery/RecoveryEvents.ts"
import { leaseUntil } from "../../src/domain/run/RunDemand.ts"
import {
  attemptFailed,
  endedEvent,
  failed,
  fold,
  joined,
  parentSettled,
  plannedEvent,
  released,
  requested,
  running,
  startedEvent,
  stepOf,
  succeeded
} from "./RecoveryScenario.ts"

const demanded = (...history: ReadonlyArray<Event>) => {
  const state = fold(...history)
  return demands(state).map((demand) => key(state, demand))
}
const woken = (now: number, ...history: ReadonlyArray<Event>) => wakeAt(fold(...history), now)

describe("RecoveryDemand", () => {
  it("nothing before it is asked for", () => {
    assert.deepStrictEqual(demanded(), [])
    assert.strictEqual(woken(0), null)
  })

  it("first a plan, for each round its own", () => {
    assert.deepStrictEqual(demanded(requested()), ["plan:1"])
    assert.deepStrictEqual(demanded(requested(), failed("source_asset"), requested(2)), ["plan:2"])
    assert.strictEqual(woken(0, requested()), leaseUntil(0))
  })

  it("while its parents are healed it waits for their end, which is owed to it (F16, F27)", () => {
    const history = [requested(), plannedEvent({ parents: ["p1", "p2"] })]
    assert.deepStrictEqual(demanded(...history), [])
    assert.deepStrictEqual(waitsOnKeys(fold(...history)), ["recovery-p1", "recovery-p2"])
    assert.deepStrictEqual(waitsOnKeys(fold(...history, parentSettled("p1"))), ["recovery-p2"])
    assert.isNumber(woken(0, ...history))
    assert.isNull(waitsOnKeys(fold(...history, failed("canceled"))))
  })

  it("then the producer's run, its end, and a look at the asset, all within the attempt's time (F31)", () => {
    assert.deepStrictEqual(demanded(...running), ["StartProducer:1:1", "timer:60000"])
    assert.deepStrictEqual(demanded(...running, startedEvent(1)), ["timer:60000"])
    assert.deepStrictEqual(demanded(...running, endedEvent(1)), ["Verify:1:1", "timer:60000"])
    assert.strictEqual(woken(0, ...running, startedEvent(1)), 60_000)
    assert.strictEqual(woken(0, ...running), leaseUntil(0))
  })

  it("after a failed attempt the next one, when it is due (F29)", () => {
    const history = [...running, attemptFailed(1, 500)]
    assert.deepStrictEqual(demands(fold(...history)), [{ _tag: "NextAttempt", attempt: 2, dueAt: 500 }])
    assert.strictEqual(woken(0, ...history), 500)
  })

  it("ended, its waiters are told from where it stood, in batches, and then nothing is owed (F28, T1, T40)", () => {
    const many = Array.from({ length: releaseBatchMax + 1 }, (_, index) => joined(stepOf(`run-${index}`)))
    const history = [requested(), ...many, failed("source_asset")]
    assert.deepStrictEqual(demands(fold(...history)), [{ _tag: "Release", from: 0, to: releaseBatchMax }])
    assert.deepStrictEqual(demanded(...history, released(releaseBatchMax)), [`release:1:${releaseBatchMax}`])
    assert.deepStrictEqual(demanded(...history, released(releaseBatchMax + 1)), [])
    assert.strictEqual(woken(0, ...history, released(releaseBatchMax + 1)), null)
    assert.strictEqual(woken(0, ...history), leaseUntil(0))
    assert.deepStrictEqual(demanded(requested(), succeeded()), [])
  })

  it("only a timer lets it leave memory", () => {
    assert.isFalse(isResident({ _tag: "Timer", at: 0 }))
    assert.isTrue(isResident({ _tag: "Plan", round: 1 }))
  })
})
