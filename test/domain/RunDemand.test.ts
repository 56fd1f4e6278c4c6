import { assert, describe, it } from "@effect/vitest"
import type { Event } from "../../src/domain/run/RunEvents.ts"
import { storeAttentionMs } from "../../src/domain/run/RunDecide.ts"
import { demands, isResident, key, leaseMs, leaseUntil, wakeAt, waitsOnKeys } from "../../src/domain/run/RunDemand.ts"
import {
  chain,
  failed,
  fold,
  healing,
  missing,
  outage,
  pair,
  permanent,
  produced,
  recorded,
  recovered,
  requested,
  resumed,
  retryAt,
  runCanceled,
  runFailed,
  runSucceeded,
  started,
  storeBack,
  succeeded,
  suspended,
  transient
} from "./RunScenario.ts"

const demanded = (...history: ReadonlyArray<Event>) => demands(fold(...history)).map(key)
const woken = (now: number, ...history: ReadonlyArray<Event>) => wakeAt(fold(...history), now)
const lost = (stepId: string) => [started(stepId), failed(stepId, missing, false)]

describe("RunDemand", () => {
  it("nothing before the run is requested", () => {
    assert.deepStrictEqual(demanded(), [])
    assert.strictEqual(woken(0), null)
    assert.strictEqual(waitsOnKeys(fold()), null)
  })

  it("every ready step is to begin; what executes is to be executed (T13)", () => {
    assert.deepStrictEqual(demanded(requested(chain)), ["Begin:load:1"])
    assert.deepStrictEqual(demanded(requested(pair)), ["Begin:left:1", "Begin:right:1"])
    assert.deepStrictEqual(demanded(requested(pair), started("left")), ["Execute:left:1", "Begin:right:1"])
    assert.deepStrictEqual(demanded(requested(chain), started("load"), succeeded("load")), ["Begin:report:1"])
  })

  it("what a step produced is to be recorded, and a loss to be reported, each for its attempt", () => {
    assert.deepStrictEqual(demanded(requested(chain), started("load"), produced("load")), ["Record:load:1"])
    assert.deepStrictEqual(demanded(requested(chain), ...lost("load")), ["Report:load:1"])
  })

  it("a retry is to begin when it is due, and the actor is woken then (T18)", () => {
    const history = [requested(chain), started("load"), failed("load", transient, false), retryAt("load", 90_000)]
    assert.deepStrictEqual(demands(fold(...history)), [{ _tag: "Begin", stepId: "load", attempt: 2, dueAt: 90_000 }])
    assert.strictEqual(woken(0, ...history), 90_000)
    assert.strictEqual(woken(90_000, ...history), leaseUntil(90_000))
  })

  it("a waiting step has its deadline for a timer, not a poll (F27, F30)", () => {
    const history = [requested(chain), ...lost("load"), suspended("load", healing(), 1, 600_000)]
    assert.deepStrictEqual(demanded(...history), ["timer:600000"])
    assert.strictEqual(woken(0, ...history), 600_000)
    assert.deepStrictEqual(waitsOnKeys(fold(...history)), ["recovery-r1"])
    assert.isFalse(isResident({ _tag: "Timer", at: 1 }))
    assert.isTrue(isResident({ _tag: "Execute", stepId: "load", attempt: 1 }))
  })

  it("the earliest of several deadlines is the timer", () => {
    const history = [requested(pair), ...lost("left"), ...lost("right")]
    const both = [suspended("left", healing("r1"), 1, 2_000), suspended("right", healing("r2"), 1, 1_000)]
    assert.deepStrictEqual(demanded(...history, ...both), ["timer:1000"])
    assert.deepStrictEqual(waitsOnKeys(fold(...history, ...both)), ["recovery-r1", "recovery-r2"])
  })

  it("a wait for a store has the time of a human look, and after it nothing but the store's name", () => {
    const history = [
      requested(chain),
      started("load"),
      failed("load", outage, false),
      suspended("load", storeBack, 1, null)
    ]
    assert.deepStrictEqual(demanded(...history), [`timer:${storeAttentionMs}`])
    const raised: Event = { _tag: "RunAttentionRaised", stepId: "load", reason: "", at: storeAttentionMs }
    assert.deepStrictEqual(demanded(...history, raised), [])
    assert.strictEqual(woken(0, ...history, raised), null)
    assert.deepStrictEqual(waitsOnKeys(fold(...history, raised)), ["store:warehouse"])
    assert.strictEqual(waitsOnKeys(fold(...history, resumed("load", "store"))), null)
  })

  it("two steps that wait for one recovery name it once", () => {
    const history = [requested(pair), ...lost("left"), ...lost("right")]
    const both = [suspended("left", healing()), suspended("right", healing())]
    assert.deepStrictEqual(waitsOnKeys(fold(...history, ...both)), ["recovery-r1"])
  })

  it("a failing run begins nothing more and lets what executes end", () => {
    const history = [requested(pair), started("left"), started("right"), failed("left", permanent, true)]
    assert.deepStrictEqual(demanded(...history), ["Execute:right:1"])
    const retrying = [failed("right", transient, false), retryAt("right", 100)]
    assert.deepStrictEqual(demanded(...history, ...retrying), [])
  })

  it("an ended run demands nothing, unless somebody is to be told how it ended (F28, T1)", () => {
    assert.deepStrictEqual(demanded(requested(chain), runCanceled), [])
    assert.strictEqual(woken(0, requested(chain), runSucceeded), null)
    const asked = requested(chain, {
      trigger: { type: "recovery", recoveryId: "r1", assetId: "orders.raw", partitionKey: "" },
      runKey: "today"
    })
    const history = [asked, started("load"), failed("load", permanent, true), runFailed("load", permanent)]
    assert.deepStrictEqual(demanded(...history), ["deliver:recovery", "deliver:runKey"])
    assert.strictEqual(woken(0, ...history), leaseUntil(0))
    const told: Event = { _tag: "RunOutcomeDelivered", to: "recovery", at: 0 }
    assert.deepStrictEqual(demanded(...history, told), ["deliver:runKey"])
    const again = [recovered([], ["load", "report"]), started("load", 2), failed("load", permanent, true, 2)]
    assert.deepStrictEqual(demanded(...history, told, ...again, runFailed("load", permanent)), [
      "deliver:recovery",
      "deliver:runKey"
    ])
  })

  it("a canceled run still records what was produced (F9)", () => {
    const history = [requested(chain), started("load"), produced("load"), runCanceled]
    assert.deepStrictEqual(demanded(...history), ["Record:load:1"])
    assert.deepStrictEqual(demanded(...history, recorded("load")), [])
  })

  it("work in progress is looked at after one lease, on a grid so that most commits keep the value", () => {
    for (const now of [0, 1, leaseMs - 1, leaseMs, leaseMs + 1, 1_700_000_000_123]) {
      const until = leaseUntil(now)
      assert.strictEqual(until % leaseMs, 0)
      assert.isAtLeast(until, now + leaseMs)
      assert.isBelow(until, now + 2 * leaseMs)
    }
    assert.strictEqual(woken(5, requested(chain), started("load")), leaseUntil(5))
  })
})
