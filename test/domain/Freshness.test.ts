import { assert, describe, it } from "@effect/vitest"
import * as Asset from "../../src/domain/Asset.ts"
import { fold } from "../../src/domain/Decider.ts"
import { expiryOf, type Freshness, maxAgeOf } from "../../src/domain/Freshness.ts"

const produced = (now: number, freshness?: Freshness, by = "r"): Asset.Command => ({
  _tag: "Produce",
  assetId: "a",
  partitionKey: "p",
  workflow: "w",
  version: 1,
  stepId: "s",
  runId: `${by}${now}`,
  attempt: 1,
  parameters: {},
  runPartitionKey: "p",
  inputs: [],
  reads: [],
  parts: [],
  payload: now,
  ...(freshness === undefined ? {} : { freshness }),
  now
})

const told = (...commands: ReadonlyArray<Asset.Command>) => {
  let events: ReadonlyArray<Asset.Event> = []
  for (const command of commands) {
    const state = fold(Asset.decider, Asset.initial, events)
    const decided = Asset.decide(command, state)
    if (decided._tag === "Failure") throw new Error("an Asset refuses nothing")
    events = [...events, ...decided.success]
  }
  return { events, state: fold(Asset.decider, Asset.initial, events) }
}

describe("freshness", () => {
  it("F54: ttl counts from the production, cadence goes by the clock, and the earlier one ends it", () => {
    assert.deepStrictEqual(expiryOf({ producedAt: 1_000, freshness: { ttlMs: 500 } }), { at: 1_500, reason: "ttl" })
    assert.deepStrictEqual(expiryOf({ producedAt: 1_001, freshness: { cadenceMs: 500 } }), {
      at: 1_500,
      reason: "cadence"
    })
    assert.deepStrictEqual(expiryOf({ producedAt: 1_500, freshness: { cadenceMs: 500, ttlMs: 600 } }), {
      at: 2_000,
      reason: "cadence"
    })
    assert.strictEqual(expiryOf({ producedAt: 1, freshness: { maxAgeMs: 5 } }), null)
    assert.strictEqual(expiryOf({ producedAt: 1 }), null)
  })

  it("a consumer refuses at the least of its own age and the asset's", () => {
    assert.strictEqual(maxAgeOf(undefined, undefined), null)
    assert.strictEqual(maxAgeOf(10, { maxAgeMs: 5 }), 5)
    assert.strictEqual(maxAgeOf(3, { maxAgeMs: 5 }), 3)
  })

  it("F57: a generation expires once, not before its time, and a newer one has an expiry of its own", () => {
    const once = told(
      produced(1_000, { ttlMs: 500 }),
      { _tag: "Expire", now: 1_499 },
      { _tag: "Expire", now: 1_500 },
      { _tag: "Expire", now: 1_600 }
    )
    const [, expired, ...more] = once.events
    assert.deepInclude(expired, { _tag: "AssetExpired", generation: 1, reason: "ttl", expiresAt: 1_500, workflow: "w" })
    assert.deepStrictEqual(more, [])
    assert.strictEqual(once.state.expiredAt, 1_500)

    const renewed = told(produced(1_000, { ttlMs: 500 }), produced(1_400, { ttlMs: 500 }), {
      _tag: "Expire",
      now: 1_600
    })
    assert.strictEqual(renewed.events.length, 2, "the first generation's time has come, but it is not the current one")
    assert.deepStrictEqual(renewed.state.expiry, { at: 1_900, reason: "ttl" })
  })

  it("a stale mark lasts until it is cleared or the asset is made again", () => {
    const mark: Asset.Command = { _tag: "MarkStale", assetId: "a", partitionKey: "p", note: "recalibrated", now: 5 }
    const marked = told(produced(1), mark, mark)
    assert.deepStrictEqual(marked.state.stale, { since: 5, note: "recalibrated" })
    assert.strictEqual(marked.events.length, 2)
    assert.strictEqual(told(produced(1), mark, { _tag: "ClearStale", now: 6 }).state.stale, null)
    assert.strictEqual(told(produced(1), mark, produced(7)).state.stale, null)
    assert.deepStrictEqual(told(mark).events, [], "what was never made cannot be stale")
  })
})
