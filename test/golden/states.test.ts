import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { readFileSync } from "node:fs"
import * as AssetActor from "../../src/actors/AssetActor.ts"
import * as IntegrityActor from "../../src/actors/IntegrityActor.ts"
import * as LimitActor from "../../src/actors/LimitActor.ts"
import * as PartitionKeysActor from "../../src/actors/PartitionKeysActor.ts"
import * as Asset from "../../src/domain/Asset.ts"
import type * as IntegrityEvents from "../../src/domain/integrity/IntegrityEvents.ts"
import * as IntegrityState from "../../src/domain/integrity/IntegrityState.ts"
import * as Limit from "../../src/domain/Limit.ts"
import * as PartitionKeys from "../../src/domain/PartitionKeys.ts"
import type { StateCodec } from "../../src/eventstore/StateCodec.ts"

/** The stored events in this order, one a second. */
const stored = (category: string, types: ReadonlyArray<string>) =>
  types.map((type, index) => ({
    _tag: type,
    ...JSON.parse(readFileSync(new URL(`${category}/${type}@1.json`, import.meta.url), "utf8")),
    at: index * 1_000
  }))

const kept = <State>(codec: StateCodec<State>, state: State): unknown =>
  JSON.parse(Schema.encodeSync(codec.schema)(state))

const why = "the same events make another state: raise the revision of its StateCodec, and record the new state here"

describe("what the events of a long stream come to is fixed, because snapshots in databases were made by it", () => {
  it("for an Asset", () => {
    const events: ReadonlyArray<Asset.Event> = stored("asset", [
      "AssetProduced",
      "AssetVerified",
      "AssetMissingDetected"
    ])
    const { _tag, at, ...latest } = events[0]!
    assert.deepStrictEqual(
      kept(AssetActor.snapshot, events.reduce(Asset.evolve, Asset.initial)),
      {
        ...{ assetId: "orders.raw", partitionKey: "2024-01", generations: 4, latest },
        missing: { generation: 4, since: 2_000, reason: "missing" },
        ...{ expiry: null, expiredAt: null, stale: null },
        recorded: [["copy/mfrggzdfmztwq2lknnwg23tpoa/1", 4]]
      },
      why
    )
  })

  it("for the keys of a dynamic asset", () => {
    const types = ["PartitionKeysTakenOver", "PartitionRetentionSet", "PartitionKeyAdmitted", "PartitionKeysRetired"]
    const events: ReadonlyArray<PartitionKeys.Event> = stored("keys", types)
    assert.deepStrictEqual(
      kept(PartitionKeysActor.snapshot, events.reduce(PartitionKeys.evolve, PartitionKeys.initial)),
      {
        ...{ assetId: "orders.raw", retentionDays: 30 },
        keys: [
          ["store-1", 0],
          ["store-7", 0]
        ]
      },
      why
    )
  })

  it("for the Integrity actor", () => {
    const types = ["IntegrityCheckStarted", "IntegrityProgressed", "IntegrityEscalated", "IntegrityRepairRequested"]
    const events: ReadonlyArray<IntegrityEvents.Event> = stored("integrity", types)
    const { found, ...batch } = JSON.parse(JSON.stringify(events[1])) as Record<string, ReadonlyArray<object>>
    const {
      at: _at,
      _tag: _type,
      repair,
      ...repairs
    } = JSON.parse(JSON.stringify(events[3])) as Record<string, unknown>
    assert.deepStrictEqual(
      kept(IntegrityActor.snapshot, [...events].reduce(IntegrityState.evolve, IntegrityState.initial)),
      {
        ...{ checks: 7, generation: 0, queued: null, last: null, wholeAt: null, repairs: 2, repairAwaited: null },
        running: {
          ...{ check: 7, reason: "requested", deep: true, startedAt: 0, endedAt: null, looked: 500, inProgress: 1 },
          ...{ scope: { assetIds: ["orders.raw"], partitionKey: "2024-01", store: "lake" }, cursor: batch.cursor },
          ...{ unreadable: batch.unreadable, failed: batch.failed, failedCount: 1, omitted: 0 }
        },
        repair: { repair, ...repairs, requestedAt: 3_000 },
        findings: [["orders.raw\n2024-01", { ...found![0], since: 1_000, count: 1, check: 7, escalated: true }]],
        past: []
      },
      why
    )
  })

  it("for a Limit", () => {
    const types = ["LimitCapacityChanged", "SlotGranted", "SlotRenewed", "SlotQueued"]
    const events: ReadonlyArray<Limit.Event> = stored("limit", types)
    assert.deepStrictEqual(
      kept(LimitActor.snapshot, events.reduce(Limit.evolve, Limit.initial)),
      {
        ...{ capacity: 4, arrivals: 1 },
        holders: [{ holder: "01hzy3v9k2m4n6p8q0r2s4t6v8/load", leaseUntil: 1_704_068_520_000 }],
        queue: [{ holder: "01hzy3v9k2m4n6p8q0r2s4t6v8/report", priority: 50, arrival: 0, leaseMs: 660_000 }]
      },
      why
    )
  })
})
