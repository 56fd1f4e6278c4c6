import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { decider, type Unstamped } from "../../src/domain/recovery/RecoveryDecide.ts"
import type { Event } from "../../src/domain/recovery/RecoveryEvents.ts"
import {
  asset,
  at,
  attemptFailed,
  ended,
  endedEvent,
  failed,
  failure,
  fold,
  gone,
  joined,
  now,
  plannedEvent,
  recovery,
  requested,
  restore,
  running,
  scheduled,
  startedEvent,
  stepOf,
  succeeded
} from "./RecoveryScenario.ts"

const decided = (command: Unstamped, time: number, ...history: ReadonlyArray<Event>) =>
  Result.getOrThrow(decider.decide(at(time)(command), fold(...history)))
const tags = (events: ReadonlyArray<Event>) => events.map(({ _tag }) => _tag)
const two = stepOf("run-2")

describe("Recovery: attempts", () => {
  it("the producer's run is started, ends well, and only then the asset is verified (F31, T7)", () => {
    recovery(...running)
      .when(now({ _tag: "ConfirmStart", attempt: 1 }))
      .then(startedEvent(1))
    recovery(...running, startedEvent(1))
      .when(now({ _tag: "ConfirmStart", attempt: 1 }))
      .then()
    recovery(...running, startedEvent(1))
      .when(now(ended(1)))
      .then(endedEvent(1))
    recovery(...running, startedEvent(1), endedEvent(1))
      .when(now(ended(1)))
      .then()
    recovery(...running, startedEvent(1), endedEvent(1))
      .when(now(restore()))
      .then(succeeded())
  })

  it("a producer that ends before its start was noted still ends the attempt (T3)", () => {
    recovery(...running)
      .when(now(ended(1)))
      .then(endedEvent(1))
    recovery(...running, endedEvent(1))
      .when(now({ _tag: "ConfirmStart", attempt: 1 }))
      .then()
    recovery(...running, endedEvent(1), succeeded())
      .when(now({ _tag: "ConfirmStart", attempt: 1 }))
      .then()
    assert.strictEqual(fold(...running, endedEvent(1), startedEvent(1)).phase, "verifying")
  })

  it("a failed attempt is followed by another after a jittered back-off (F29)", () => {
    recovery(...running)
      .when(now(ended(1, failure)))
      .then(attemptFailed(1, 500))
    recovery(...running)
      .when(now(ended(1, failure, { random: 0.5 })))
      .then(attemptFailed(1, 750))
    const second = [...running, attemptFailed(1, 500), scheduled(2)]
    recovery(...second)
      .when(now(ended(2, failure)))
      .then(attemptFailed(2, 1_000))
    const next = (attempt: number, wanted = true) => now({ _tag: "NextAttempt", attempt, wanted })
    recovery(...running, attemptFailed(1, 500))
      .when(next(2))
      .then(scheduled(2))
    recovery(...running, attemptFailed(1, 500))
      .when(next(3))
      .then()
    recovery(...second)
      .when(next(2))
      .then()
    recovery(...second)
      .when(next(3))
      .then()
  })

  it("the back-off is at most a minute (F29)", () => {
    const state = [requested(), plannedEvent({ maxAttempts: 20 }), scheduled(12)]
    const [event] = decided(ended(12, failure, { random: 0.999 }), 0, ...state)
    assert(event?._tag === "RecoveryAttemptFailed")
    assert.isAtMost(event.dueAt ?? Infinity, 60_000)
    assert.isAtLeast(event.dueAt ?? 0, 30_000)
  })

  it("the last failed attempt ends it, with the last failure in its words (F8, F28, F29, T1)", () => {
    const third = [...running, attemptFailed(1, 500), scheduled(2), attemptFailed(2, 1_000), scheduled(3)]
    const events = decided(ended(3, failure), 0, ...third)
    assert.deepStrictEqual(tags(events), ["RecoveryAttemptFailed", "RecoveryFailed"])
    assert(events[0]?._tag === "RecoveryAttemptFailed" && events[1]?._tag === "RecoveryFailed")
    assert.isUndefined(events[0].dueAt)
    assert.strictEqual(events[1].reasonCode, "budget_exhausted")
    assert.deepStrictEqual(events[1].failure.asset, asset)
    for (const part of ["orders.raw[2024-01]", "3 attempts", failure.message])
      assert.include(events[1].failure.message, part)
  })

  it("a producer that succeeds without writing ends it at once: output_absent, no second loop (T38)", () => {
    const absent = { class: "permanent", code: "output_absent", message: "nothing was written" } as const
    recovery(...running)
      .when(now(ended(1, absent)))
      .then({ _tag: "RecoveryFailed", reasonCode: "output_absent", failure: absent, at: 0 })
  })

  it("a producer whose own input can never be had ends it at once with that reason (F21, F22, T2)", () => {
    for (const code of ["source_asset", "cycle", "producer_gone", "disabled", "not_idempotent"] as const) {
      const hopeless = { ...gone, code }
      const rootCause = { assetId: "inbox.csv", partitionKey: "", why: gone.message }
      recovery(...running)
        .when(now(ended(1, hopeless)))
        .then({ _tag: "RecoveryFailed", reasonCode: code, failure: hopeless, rootCause, at: 0 })
    }
    // A job's own word for its failure is not a reason of ours.
    recovery(...running)
      .when(now(ended(1, { ...failure, code: "cycle" })))
      .then(attemptFailed(1, 500, { ...failure, code: "cycle" }))
    recovery(...running)
      .when(now(ended(1, { ...gone, code: "budget_exhausted" })))
      .then(attemptFailed(1, 500, { ...gone, code: "budget_exhausted" }))
  })

  it("a run that misses what belongs to no asset is tried again together with the steps before it", () => {
    const unowned = { ...gone, code: "no_producer" }
    const first: Event = { ...attemptFailed(1, 500, unowned), widen: true } as Event
    recovery(...running)
      .when(now(ended(1, unowned, { unowned: true })))
      .then(first)
    recovery(...running, first)
      .when(now({ _tag: "NextAttempt", attempt: 2, wanted: true }))
      .then(scheduled(2, ["fetch", "load"]))
  })

  it("an attempt that takes too long has failed, also while it is being started or verified (F28)", () => {
    const tick: Unstamped = { _tag: "Tick", random: 0 }
    for (const phase of [[], [startedEvent(1)], [endedEvent(1)]]) {
      recovery(...running, ...phase)
        .when(at(59_999)(tick))
        .then()
      const [event] = decided(tick, 60_000, ...running, ...phase)
      assert(event?._tag === "RecoveryAttemptFailed")
      assert.strictEqual(event.failure.code, "timeout")
      assert.include(event.failure.message, "attemptTimeoutMs (60000)")
    }
    recovery(...running, attemptFailed(1, 500))
      .when(at(60_000)(tick))
      .then()
    recovery(requested()).when(at(60_000)(tick)).then()
    recovery(...running, succeeded())
      .when(at(60_000)(tick))
      .then()
  })

  it("a late result of an attempt that was given up changes nothing (F32, T7)", () => {
    const second = [...running, attemptFailed(1, 500), scheduled(2)]
    recovery(...second)
      .when(now(ended(1)))
      .then()
    recovery(...second)
      .when(now(ended(1, failure)))
      .then()
    recovery(...running, attemptFailed(1, 500))
      .when(now(ended(1)))
      .then()
    recovery(...running, failed("canceled"))
      .when(now(ended(1)))
      .then()
    recovery(...running, failed("canceled"))
      .when(now(restore()))
      .then()
    recovery(requested())
      .when(now(ended(1)))
      .then()
  })

  it("nobody waits any more: it finishes its attempt and starts no other", () => {
    const events = decided({ _tag: "NextAttempt", attempt: 2, wanted: false }, 0, ...running, attemptFailed(1, 500))
    assert.deepStrictEqual(tags(events), ["RecoveryFailed"])
    assert.strictEqual(fold(...running, attemptFailed(1, 500), ...events).status, "canceled")
  })

  it("unless somebody joined after the others were asked", () => {
    const next: Unstamped = { _tag: "NextAttempt", attempt: 2, wanted: false, asked: 1 }
    recovery(...running, attemptFailed(1, 500), joined(two))
      .when(now(next))
      .then(scheduled(2))
    assert.deepStrictEqual(tags(decided(next, 0, ...running, attemptFailed(1, 500))), ["RecoveryFailed"])
  })
})
