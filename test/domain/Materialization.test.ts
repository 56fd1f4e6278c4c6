import { assert, describe, it } from "@effect/vitest"
import { fold } from "../../src/domain/Decider.ts"
import {
  type Command,
  decider,
  failureBudget,
  type Unstamped,
  type Update
} from "../../src/domain/materialization/MaterializationDecide.ts"
import { demands, wakeAt } from "../../src/domain/materialization/MaterializationDemand.ts"
import type { Event } from "../../src/domain/materialization/MaterializationEvents.ts"
import { initial } from "../../src/domain/materialization/MaterializationState.ts"
import { quietHoursFault, quietUntil } from "../../src/domain/QuietHours.ts"

const backoff = { baseMs: 1_000, maxMs: 4_000 }
const update = (position: string, more: Partial<Update> = {}): Update => ({
  cause: { reason: "upstream-update", assetId: "up", partitionKey: "", generation: 1, position },
  priority: 100,
  cyclic: false,
  ...more
})
const request = (...updates: ReadonlyArray<Update>): Unstamped => ({
  _tag: "Request",
  workflow: "w",
  partitionKey: "p",
  updates
})

/** An actor in memory at a time that the test moves. */
const actor = () => {
  let events: ReadonlyArray<Event> = []
  const state = () => fold(decider, initial, events)
  const tell = (now: number, command: Unstamped, quiet: number | null = null) => {
    const stamped: Command = { ...command, now, quietUntil: quiet, backoff }
    const decided = decider.decide(stamped, state())
    if (decided._tag === "Failure") throw new Error("it refuses nothing")
    events = [...events, ...decided.success]
    return decided.success.map(({ _tag }) => _tag.replace("Materialization", ""))
  }
  const active = () => state().active!.runId
  const fail = (now: number) =>
    tell(now, {
      _tag: "EndRun",
      runId: active(),
      outcome: "failed",
      failure: { class: "permanent", code: "x", message: "broken" }
    })
  const succeed = (now: number) => tell(now, { _tag: "EndRun", runId: active(), outcome: "succeeded" })
  return { tell, state, active, fail, succeed }
}

describe("one workflow and partition that keeps itself fresh", () => {
  it("F53: an update starts a run at once, and says what it answers", () => {
    const { active, state, tell } = actor()
    assert.deepStrictEqual(tell(1, request(update("a"))), ["Requested", "Started"])
    assert.deepStrictEqual(demands(state()), [{ _tag: "Launch", runId: active() }])
    assert.strictEqual(state().runs[0]!.cause.assetId, "up")
    assert.deepStrictEqual(tell(2, { _tag: "Launched", runId: active() }), ["Launched"])
    assert.deepStrictEqual(demands(state()), [])
    assert.strictEqual(wakeAt(state(), 2), null)
  })

  it("T15 F56: updates in flight are coalesced into one run afterwards, never dropped", () => {
    const { state, succeed, tell } = actor()
    tell(1, request(update("a")))
    assert.deepStrictEqual(tell(2, request(update("b"), update("c"))), ["Requested"])
    assert.deepStrictEqual(tell(3, request(update("d"))), ["Requested"])
    assert.strictEqual(state().wanted!.count, 3)
    assert.deepStrictEqual(succeed(4), ["Ended", "Started"])
    assert.strictEqual(state().active!.cause.position, "d")
    assert.deepStrictEqual(succeed(5), ["Ended"])
    assert.strictEqual(state().wanted, null)
  })

  it("an update that is delivered again starts nothing", () => {
    const { succeed, tell } = actor()
    tell(1, request(update("a"), update("b")))
    succeed(2)
    assert.deepStrictEqual(tell(3, request(update("a"), update("b"))), [])
    assert.deepStrictEqual(tell(4, request(update("b"), update("c"))), ["Requested", "Started"])
  })

  it("F58 T17: a failure cools down, twice as long each time, and the run comes back by itself", () => {
    const { fail, state, tell } = actor()
    tell(0, request(update("a")))
    assert.deepStrictEqual(fail(0), ["Ended", "Held"])
    assert.deepStrictEqual(state().held, { until: 1_000, by: "cool-down" })
    assert.deepStrictEqual(demands(state()), [{ _tag: "Timer", at: 1_000 }])
    assert.strictEqual(wakeAt(state(), 0), 1_000)
    assert.deepStrictEqual(tell(999, { _tag: "Tick" }), [])
    assert.deepStrictEqual(tell(1_000, { _tag: "Tick" }), ["Started"])
    fail(1_000)
    assert.strictEqual(state().coolUntil, 3_000)
    tell(3_000, { _tag: "Tick" })
    fail(3_000)
    assert.strictEqual(state().coolUntil, 7_000, "at most the maximum")
  })

  it("F56: an update in a cool-down waits for its end, and is the newer cause", () => {
    const { fail, state, tell } = actor()
    tell(0, request(update("a")))
    fail(0)
    assert.deepStrictEqual(tell(10, request(update("b"))), ["Requested"])
    assert.deepStrictEqual(tell(1_000, { _tag: "Tick" }), ["Started"])
    assert.strictEqual(state().active!.cause.position, "b")
  })

  it("F58: after the budget of failures only the next update tries again, and a success gives a new budget", () => {
    const { fail, state, succeed, tell } = actor()
    tell(0, request(update("a")))
    let now = 0
    for (let failures = 1; failures < failureBudget; failures++) {
      fail(now)
      now = state().coolUntil
      tell(now, { _tag: "Tick" })
    }
    assert.deepStrictEqual(fail(now), ["Ended"])
    assert.strictEqual(state().wanted, null)
    assert.strictEqual(wakeAt(state(), now), null, "nothing is owed")
    assert.deepStrictEqual(tell(now + 1, request(update("b"))), ["Requested", "Held"])
    tell(now + 4_000, { _tag: "Tick" })
    succeed(now + 5_000)
    assert.strictEqual(state().failures, 0)
    assert.strictEqual(state().coolUntil, 0)
  })

  it("a failed run that is recovered and succeeds ends the cool-down after all", () => {
    const { active, fail, state, tell } = actor()
    tell(0, request(update("a")))
    const runId = active()
    fail(0)
    assert.deepStrictEqual(tell(10, { _tag: "EndRun", runId, outcome: "succeeded" }), ["Ended"])
    assert.strictEqual(state().failures, 0)
    assert.strictEqual(state().wanted, null, "its update is answered: nothing is to be repeated")
    assert.deepStrictEqual(tell(20, request(update("b"))), ["Requested", "Started"])
  })

  it("an update that came after a failed run still runs when that one is recovered", () => {
    const { active, fail, state, tell } = actor()
    tell(0, request(update("a")))
    const runId = active()
    fail(0)
    tell(5, request(update("b")))
    assert.deepStrictEqual(tell(10, { _tag: "EndRun", runId, outcome: "succeeded" }), ["Ended", "Started"])
    assert.strictEqual(state().active!.cause.position, "b")
  })

  it("F61: quiet hours hold the run until they end", () => {
    const { state, tell } = actor()
    assert.deepStrictEqual(tell(0, request(update("a")), 500), ["Requested", "Held"])
    assert.deepStrictEqual(state().held, { until: 500, by: "quiet-hours" })
    assert.deepStrictEqual(tell(500, { _tag: "Tick" }), ["Started"])
  })

  it("T31: an update that came round a cycle waits for one cool-down after the last round", () => {
    const { state, succeed, tell } = actor()
    tell(1_000, request(update("a", { cyclic: true })))
    succeed(1_010)
    assert.deepStrictEqual(tell(1_020, request(update("b", { cyclic: true }))), ["Requested", "Held"])
    assert.deepStrictEqual(state().held, { until: 2_000, by: "cycle" })
    assert.deepStrictEqual(
      tell(1_030, request(update("c"))),
      ["Requested", "Started"],
      "any other update is not damped"
    )
  })

  it("F63: the best priority of the updates is the run's", () => {
    const { state, tell } = actor()
    tell(0, request(update("a", { priority: 50 }), update("b", { priority: 7 })))
    assert.strictEqual(state().active!.priority, 7)
  })

  it("F60: what started no run is listed with its reason", () => {
    const { state, tell } = actor()
    const { cause } = update("a")
    tell(1, { _tag: "Skip", workflow: "w", partitionKey: "p", cause, why: "no window of its own" })
    assert.deepInclude(state().decisions[0], { decision: "skipped", why: "no window of its own" })
  })
})

describe("quiet hours", () => {
  const night = { from: "22:00", to: "06:00", timezone: "Europe/Berlin" }
  const at = (iso: string) => Date.parse(iso)
  it("F61: hold over midnight by the clock of their zone, daylight saving included", () => {
    assert.strictEqual(quietUntil([night], at("2024-01-10T12:00:00Z")), null)
    assert.strictEqual(quietUntil([night], at("2024-01-10T21:30:10Z")), at("2024-01-11T05:00:00Z"))
    assert.strictEqual(quietUntil([night], at("2024-03-30T22:00:00Z")), at("2024-03-31T04:00:00Z"), "clocks go forward")
    assert.strictEqual(quietUntil([night], at("2024-01-11T05:00:00Z")), null)
  })
  it("are refused when they leave no minute free, and not when there is one", () => {
    const from = (from: string, to: string) => ({ from, to, timezone: "Europe/Berlin" })
    assert.include(quietHoursFault([from("00:00", "12:00"), from("12:00", "00:00")]), "leave a minute")
    assert.strictEqual(quietHoursFault([from("00:00", "12:00"), from("12:01", "00:00")]), undefined)
    assert.strictEqual(quietHoursFault([]), undefined)
  })

  it("two windows that join hold until the end of the second", () => {
    const morning = { from: "06:00", to: "07:30", timezone: "Europe/Berlin" }
    assert.strictEqual(quietUntil([night, morning], at("2024-01-10T23:00:00Z")), at("2024-01-11T06:30:00Z"))
  })
})
