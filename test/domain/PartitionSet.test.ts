import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Partitioning } from "../../src/domain/Definition.ts"
import * as PartitionSet from "../../src/domain/PartitionSet.ts"
import type * as TimeWindow from "../../src/domain/TimeWindow.ts"

const dayMs = 86_400_000
const now = Date.parse("2026-03-29T12:00:00Z")
const days = (lookbackWindows?: number): Extract<Partitioning, { readonly type: "timeWindow" }> => ({
  type: "timeWindow",
  granularity: "day",
  timezone: "Europe/Berlin",
  ...(lookbackWindows === undefined ? {} : { lookbackWindows })
})
const dynamic = (limits: { readonly maxKeys?: number; readonly retentionDays?: number }): Partitioning => ({
  type: "dynamic",
  ...limits
})
/** Recorded keys, each with the age in days of its latest production. */
const recorded = (ages: { readonly [key: string]: number }): PartitionSet.Recorded =>
  new Map(Object.entries(ages).map(([key, age]) => [key, now - age * dayMs]))

describe("PartitionSet", () => {
  it("gives a static asset its declared keys and nothing else (F64)", () => {
    const letters: Partitioning = { type: "static", keys: ["b", "a"] }
    assert.deepStrictEqual(PartitionSet.partitionsOf(letters, recorded({ x: 1 }), now), {
      keys: ["b", "a"],
      upcoming: undefined
    })
    assert.strictEqual(PartitionSet.admit(letters, new Map(), "a", now), undefined)
    assert.strictEqual(PartitionSet.admit(letters, recorded({ x: 1 }), "x", now), 'must be one of "b", "a", not "x"')
  })

  it("gives a time window asset the windows of its lookback, older recorded ones, and the upcoming one (F64)", () => {
    const known = recorded({ "2026-01-05": 80, "2026-03-28": 1, "2026-01-07": 79, "not a day": 1, "2026-03-30": 0 })
    assert.deepStrictEqual(PartitionSet.partitionsOf(days(3), known, now), {
      keys: ["2026-03-29", "2026-03-28", "2026-03-27", "2026-01-07", "2026-01-05"],
      upcoming: "2026-03-30"
    })
  })

  it("declares no window beyond the recorded ones without a lookback (F64)", () => {
    assert.deepStrictEqual(PartitionSet.partitionsOf(days(), recorded({ "2026-01-05": 80 }), now), {
      keys: ["2026-01-05"],
      upcoming: "2026-03-30"
    })
  })

  it("refuses a window that has not begun, and a key that is none (F64)", () => {
    assert.strictEqual(PartitionSet.admit(days(), new Map(), "2026-03-29", now), undefined)
    assert.strictEqual(PartitionSet.admit(days(3), new Map(), "1999-01-01", now), undefined)
    assert.strictEqual(
      PartitionSet.admit(days(), new Map(), "2026-03-30", now),
      'must be a window that has begun: the current one is "2026-03-29", not "2026-03-30"'
    )
    assert.include(PartitionSet.admit(days(), new Map(), "29.3.2026", now) ?? "", 'must name a day as in "2026-03-30"')
    assert.strictEqual(PartitionSet.admit(days(), new Map(), "", now), "must not be empty")
    // The day begins at its own midnight, an hour or two before that of UTC.
    assert.strictEqual(PartitionSet.windowFault(days(), "2026-03-30", Date.parse("2026-03-29T22:00:00Z")), undefined)
  })

  it("refuses a new key beyond maxKeys and takes the ones that it has (F64, T20)", () => {
    const two = dynamic({ maxKeys: 2 })
    assert.strictEqual(PartitionSet.admit(two, recorded({ a: 1 }), "b", now), undefined)
    assert.strictEqual(PartitionSet.admit(two, recorded({ a: 1, b: 900 }), "b", now), undefined)
    assert.include(
      PartitionSet.admit(two, recorded({ a: 1, b: 1 }), "c", now) ?? "",
      "would be one partition more than maxKeys 2"
    )
    assert.strictEqual(PartitionSet.admit(dynamic({}), recorded({ a: 1, b: 1 }), "c", now), undefined)
  })

  it("expires a key whose latest production is older than retentionDays, which makes room (F64, T20)", () => {
    const kept = dynamic({ maxKeys: 2, retentionDays: 30 })
    const known = recorded({ old: 30.1, edge: 30, young: 1 })
    assert.deepStrictEqual(PartitionSet.expired(kept, known, now), ["old"])
    assert.deepStrictEqual(PartitionSet.partitionsOf(kept, known, now).keys, ["edge", "young"])
    assert.include(PartitionSet.admit(kept, known, "new", now) ?? "", "maxKeys")
    assert.include(PartitionSet.admit(kept, known, "old", now) ?? "", "maxKeys")
    assert.strictEqual(PartitionSet.admit(kept, recorded({ old: 30.1, young: 1 }), "new", now), undefined)
    assert.deepStrictEqual(PartitionSet.expired(dynamic({}), recorded({ old: 4000 }), now), [])
    assert.deepStrictEqual(PartitionSet.expired(days(1), recorded({ "2020-01-01": 2000 }), now), [])
  })

  it("never lets admitted keys pass maxKeys, whatever comes in whatever order (T20)", () => {
    const step = fc.record({ key: fc.constantFrom(..."abcdefgh"), waitDays: fc.integer({ min: 0, max: 9 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 5 }), (steps, maxKeys) => {
        const kept = dynamic({ maxKeys, retentionDays: 10 })
        const known = new Map<string, number>()
        let at = now
        for (const { key, waitDays } of steps) {
          at += waitDays * dayMs
          const before = PartitionSet.partitionsOf(kept, known, at).keys
          const fault = PartitionSet.admit(kept, known, key, at)
          assert.strictEqual(fault === undefined, before.includes(key) || before.length < maxKeys)
          if (fault === undefined) known.set(key, at)
          assert(PartitionSet.partitionsOf(kept, known, at).keys.length <= maxKeys)
        }
      })
    )
  })

  it("admits each partition that a time window asset has, and not the upcoming one", () => {
    const at = fc.integer({ min: Date.parse("2000-01-01"), max: Date.parse("2040-01-01") })
    const granularity = fc.constantFrom<TimeWindow.Spec["granularity"][]>("hour", "day", "week", "month")
    fc.assert(
      fc.property(at, granularity, fc.integer({ min: 1, max: 30 }), (instant, unit, lookbackWindows) => {
        const given: Partitioning = { ...days(lookbackWindows), granularity: unit }
        const { keys, upcoming } = PartitionSet.partitionsOf(given, new Map(), instant)
        assert.strictEqual(keys.length, lookbackWindows)
        for (const key of keys) assert.strictEqual(PartitionSet.admit(given, new Map(), key, instant), undefined)
        assert.include(
          PartitionSet.admit(given, new Map(), upcoming!, instant) ?? "",
          "must be a window that has begun"
        )
      })
    )
  })
})
