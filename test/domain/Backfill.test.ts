import { assert, describe, it } from "@effect/vitest"
import { HashMap, Result, Schema } from "effect"
import { decider, type Unstamped } from "../../src/domain/backfill/BackfillDecide.ts"
import { demands, wakeAt } from "../../src/domain/backfill/BackfillDemand.ts"
import type { Event } from "../../src/domain/backfill/BackfillEvents.ts"
import { initial, runIdOf, type State } from "../../src/domain/backfill/BackfillState.ts"
import { view } from "../../src/domain/backfill/BackfillView.ts"
import * as PackedKeys from "../../src/domain/backfill/PackedKeys.ts"
import { partitionKeyFault } from "../../src/domain/Partitioning.ts"
import { fold } from "../../src/domain/Decider.ts"

type Ending = "succeeded" | "failed" | "canceled" | "skipped"
const broken = { class: "permanent", code: "x", message: "broken" } as const

/** A backfill in memory of the keys a, b, c … */
const backfill = (count: number, given: { readonly concurrency?: number; readonly canary?: number } = {}) => {
  const keys = Array.from({ length: count }, (_, index) => String.fromCharCode(97 + index))
  let events: ReadonlyArray<Event> = []
  const state = (): State => fold(decider, initial, events)
  const decide = (command: Unstamped) => decider.decide({ ...command, now: events.length + 1 }, state())
  const tell = (command: Unstamped): ReadonlyArray<string> => {
    const decided = decide(command)
    if (Result.isFailure(decided)) throw new Error(`refused: ${decided.failure._tag}`)
    events = [...events, ...decided.success]
    return decided.success.map(({ _tag }) => _tag.replace("Backfill", ""))
  }
  const end = (key: string, outcome: Ending = "succeeded") =>
    tell({
      ...{ _tag: "EndRun", runId: runIdOf("b1", key), outcome },
      ...(outcome === "failed" ? { failure: broken } : {})
    })
  const underWay = () => [...state().running.values()].map((index) => keys[index]).join("")
  const request: Unstamped = {
    ...{ _tag: "Request", backfillId: "b1", workflow: "w", keys, reason: "", parameters: {}, onlyMissing: false },
    ...{ concurrency: 2, canary: 0, ...given }
  }
  return { decide, end, request, state, tell, underWay, shown: () => view(state(), events.length) }
}

const rejected = (decided: Result.Result<unknown, { readonly _tag: string; readonly status?: string }>) =>
  Result.isFailure(decided) ? decided.failure : null

describe("a backfill", () => {
  it("F66: starts as many runs as it may at once, and the next when one ends, until each partition has had its turn", () => {
    const { end, request, shown, state, tell, underWay } = backfill(4)
    assert.deepStrictEqual(tell(request), ["Requested", "RunsStarted"])
    assert.strictEqual(underWay(), "ab")
    assert.deepStrictEqual(
      demands(state()).map(({ _tag, runId }) => [_tag, runId]),
      [
        ["Run", runIdOf("b1", "a")],
        ["Run", runIdOf("b1", "b")]
      ]
    )
    assert.deepStrictEqual(end("b"), ["RunEnded", "RunsStarted"])
    assert.strictEqual(underWay(), "ac")
    assert.deepInclude(shown(), { total: 4, succeeded: 1, running: 2, waiting: 1, status: "running" })
    end("a")
    assert.deepStrictEqual(end("c"), ["RunEnded"])
    assert.isNotNull(wakeAt(state(), 0))
    assert.deepStrictEqual(end("d"), ["RunEnded", "Finished"])
    assert.deepInclude(shown(), { succeeded: 4, running: 0, waiting: 0, status: "succeeded" })
    assert.isNull(wakeAt(state(), 0))
  })

  it("asked for twice is one, and an end that is told twice counts once", () => {
    const { end, request, tell } = backfill(3)
    tell(request)
    assert.deepStrictEqual(tell(request), [])
    end("a")
    assert.deepStrictEqual(end("a"), [])
    assert.deepStrictEqual(end("zzz"), [], "a run that is none of it")
  })

  it("of nothing has succeeded at once", () => {
    const { request, tell } = backfill(0)
    assert.deepStrictEqual(tell(request), ["Requested", "Finished"])
  })

  it("goes on when a run fails, ends as failed, and lists the partition with its reason", () => {
    const { end, request, shown, tell } = backfill(3)
    tell(request)
    end("a", "failed")
    end("b")
    end("c", "canceled")
    assert.deepInclude(shown(), { status: "failed", succeeded: 1, failed: 1, canceled: 1 })
    assert.deepStrictEqual(
      shown().failures.map(({ message, outcome, partitionKey }) => [partitionKey, outcome, message]),
      [
        ["a", "failed", "broken"],
        ["c", "canceled", null]
      ]
    )
  })

  it("that failed has succeeded after all when every run that failed is recovered", () => {
    const { end, request, shown, tell } = backfill(2)
    tell(request)
    end("a", "failed")
    end("b")
    assert.strictEqual(shown().status, "failed")
    assert.deepStrictEqual(end("a", "failed"), [], "a failure of what had failed is no news")
    assert.deepStrictEqual(end("a"), ["RunEnded", "Finished"])
    assert.deepInclude(shown(), { status: "succeeded", succeeded: 2, failed: 0 })
  })

  it("paused starts nothing while what is under way ends, and goes on when it is resumed", () => {
    const { decide, end, request, tell, underWay } = backfill(4)
    tell(request)
    assert.deepStrictEqual(tell({ _tag: "Pause", reason: "night" }), ["Paused"])
    assert.deepStrictEqual(end("a"), ["RunEnded"])
    assert.deepInclude(rejected(decide({ _tag: "Pause", reason: "" })), { _tag: "IllegalTransition", status: "paused" })
    assert.deepStrictEqual(tell({ _tag: "Resume" }), ["Resumed", "RunsStarted"])
    assert.strictEqual(underWay(), "bc")
    assert.deepInclude(rejected(decide({ _tag: "Resume" })), { _tag: "IllegalTransition", status: "running" })
  })

  it("canceled starts nothing, cancels what is under way, and is over when that has ended", () => {
    const { decide, end, request, shown, state, tell } = backfill(4)
    tell(request)
    assert.deepStrictEqual(tell({ _tag: "Cancel", reason: "wrong" }), ["Canceled"])
    assert.deepStrictEqual(
      demands(state()).map(({ _tag }) => _tag),
      ["CancelRun", "CancelRun"]
    )
    assert.strictEqual(shown().status, "canceling")
    end("a", "canceled")
    assert.deepStrictEqual(end("b"), ["RunEnded", "Finished"])
    assert.deepInclude(shown(), { status: "canceled", succeeded: 1, canceled: 1, waiting: 2 })
    for (const _tag of ["Pause", "Cancel"] as const) {
      assert.deepInclude(rejected(decide({ _tag, reason: "" })), { _tag: "IllegalTransition", status: "canceled" })
    }
  })

  it("runs its canaries first and alone, and begins the rest when each has succeeded", () => {
    const { end, request, tell, underWay } = backfill(6, { canary: 2, concurrency: 4 })
    tell(request)
    assert.strictEqual(underWay(), "ab")
    assert.deepStrictEqual(end("a"), ["RunEnded"], "the second canary is still under way")
    assert.deepStrictEqual(end("b"), ["RunEnded", "RunsStarted"])
    assert.strictEqual(underWay(), "cdef")
  })

  it("stops when a canary fails, says which, and has begun no other", () => {
    const { decide, end, request, shown, tell } = backfill(6, { canary: 2, concurrency: 4 })
    tell(request)
    assert.deepStrictEqual(end("b", "failed"), ["RunEnded"], "the other canary ends by itself")
    assert.deepStrictEqual(end("a"), ["RunEnded", "Finished"])
    assert.deepInclude(shown(), { status: "failed", failedCanary: "b", waiting: 4 })
    assert.deepInclude(rejected(decide({ _tag: "Resume" })), { status: "failed" })
  })

  it("counts as a canary only what really ran", () => {
    const { end, request, tell, underWay } = backfill(6, { canary: 1, concurrency: 4 })
    tell(request)
    assert.strictEqual(underWay(), "a")
    assert.deepStrictEqual(end("a", "skipped"), ["RunEnded", "RunsStarted"])
    assert.strictEqual(underWay(), "b")
    end("b")
    assert.strictEqual(underWay(), "cdef")
  })

  it("that nobody asked for is unknown", () => {
    const { decide } = backfill(1)
    assert.strictEqual(rejected(decide({ _tag: "Cancel", reason: "" }))?._tag, "UnknownBackfill")
  })

  const Step = Schema.Union([
    Schema.Struct({ end: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 11 })), ok: Schema.Boolean }),
    Schema.Literals(["Pause", "Resume", "Cancel"])
  ])

  it.prop(
    "F66: whatever happens, no partition has two turns, no more run than may, and each is counted once",
    [
      Schema.Array(Step),
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 })),
      Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4 }))
    ],
    ([steps, concurrency, canary]) => {
      const { decide, request, state, tell } = backfill(12, { concurrency, canary })
      tell(request)
      const turns: Array<number> = []
      for (const step of steps) {
        const command: Unstamped =
          typeof step === "object"
            ? {
                _tag: "EndRun",
                runId: runIdOf("b1", String.fromCharCode(97 + step.end)),
                outcome: step.ok ? "succeeded" : "failed"
              }
            : step === "Resume"
              ? { _tag: "Resume" }
              : { _tag: step, reason: "" }
        if (Result.isSuccess(decide(command))) tell(command)
        const { cursor, failures, keys, running, skipped, succeeded } = state()
        turns.push(cursor)
        assert.isAtMost(running.size, concurrency)
        assert.strictEqual(cursor, running.size + succeeded + skipped + HashMap.size(failures))
        assert.isAtMost(cursor, keys.length)
      }
      assert.deepStrictEqual(
        turns,
        [...turns].sort((one, other) => one - other)
      )
    }
  )
})

describe("packed keys", () => {
  it.prop("come back as they were, and hold no half of a character", [Schema.Array(Schema.String)], ([keys]) => {
    const sound = keys.filter((key) => partitionKeyFault(key) === undefined)
    const packed = PackedKeys.pack(sound)
    assert.deepStrictEqual(PackedKeys.unpack(packed), sound)
    assert.isTrue(packed.isWellFormed())
  })

  it("of characters that share their first half are whole", () => {
    const keys = ["😀", "😁", "a😀", "a😁b"]
    assert.isTrue(PackedKeys.pack(keys).isWellFormed())
    assert.deepStrictEqual(PackedKeys.unpack(PackedKeys.pack(keys)), keys)
  })

  it("of 100,000 minutes take less than a megabyte", () => {
    const first = Date.UTC(2026, 0, 1)
    const keys = Array.from({ length: 100_000 }, (_, minute) =>
      new Date(first + minute * 60_000).toISOString().slice(0, 16)
    )
    assert.isBelow(PackedKeys.pack(keys).length, 700_000)
  })
})
