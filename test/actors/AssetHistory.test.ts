import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { assetCodec } from "../../src/actors/AssetActor.ts"
import { partsOf } from "../../src/actors/AssetHistory.ts"
import type * as Asset from "../../src/domain/Asset.ts"
import * as Id from "../../src/domain/Id.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { appendOf } from "../support/appends.ts"

const ref = { assetId: "orders.raw", partitionKey: "2024-01" }
const produced = (generation: number): Asset.Stored => ({
  ...{ _tag: "AssetProduced", ...ref, generation, workflow: "orders", version: 1, stepId: "load", runId: "r" },
  ...{
    attempt: generation,
    parameters: {},
    inputs: [],
    reads: [],
    producedAt: 1,
    restored: false,
    contentChanged: true
  },
  parts: [{ store: "lake", key: `${generation}.json`, bytes: 1, etag: "e", sha256: "aa", written: true }]
})
const missing = (generation: number): Asset.Stored => ({
  ...{ _tag: "AssetMissingDetected", ...ref, generation, reason: "missing" }
})
const verified = (generation: number): Asset.Stored => ({ _tag: "AssetVerified", ...ref, generation })

/** The key of the part of one generation, and how many events were read for it; a log that holds this history. */
const searched = Effect.fnUntraced(function* (history: ReadonlyArray<Asset.Stored>, generation: number) {
  const log = yield* EventStore
  const streamName = `asset-${Id.asset(ref.assetId, ref.partitionKey)}`
  if ((yield* log.read(streamName, 0, 1)).length === 0 && history.length > 0) {
    const events = history.map((event) => assetCodec.encode(event as Asset.Event))
    yield* log.append(appendOf({ streamName, events }))
  }
  let events = 0
  const counting = EventStore.of({
    ...log,
    read: (...args) =>
      Effect.tap(log.read(...args), (page) =>
        Effect.sync(() => {
          events += page.length
        })
      )
  })
  const parts = yield* partsOf(counting, ref, generation)
  return { key: parts.map((part) => part.key).join(), events }
})

const many = Array.from({ length: 20_000 }, (_, index) => index + 1)

describe("the parts of one generation of an asset", () => {
  it.effect("are found, whichever it is, and those of one that never was are none", () =>
    Effect.gen(function* () {
      const history = [
        produced(1),
        missing(1),
        produced(2),
        produced(3),
        verified(3),
        missing(3),
        verified(3),
        produced(4)
      ]
      for (const generation of [1, 2, 3, 4]) {
        assert.strictEqual((yield* searched(history, generation)).key, `${generation}.json`)
      }
      for (const generation of [0, 5, 500]) assert.strictEqual((yield* searched(history, generation)).key, "")
    }).pipe(Effect.provide(MemoryEventStore.layer))
  )

  it.effect("of an asset that was never lost are found by one page", () =>
    Effect.gen(function* () {
      for (const generation of [1, 10_000, 20_000]) {
        const { events, key } = yield* searched(many.map(produced), generation)
        assert.strictEqual(key, `${generation}.json`)
        assert.isAtMost(events, 200)
      }
    }).pipe(Effect.provide(MemoryEventStore.layer))
  )

  it.effect("are found by a few pages, however often the asset was lost", () =>
    Effect.gen(function* () {
      const history = many.flatMap((nth) => [produced(nth), missing(nth)])
      for (const generation of [1, 13, 9_999, 20_000]) {
        const { events, key } = yield* searched(history, generation)
        assert.strictEqual(key, `${generation}.json`)
        assert.isAtMost(events, 200 * 8)
      }
    }).pipe(Effect.provide(MemoryEventStore.layer))
  )

  it.effect("are found behind a long time without any production", () =>
    Effect.gen(function* () {
      const flapping = many.slice(0, 600).flatMap(() => [missing(1), verified(1)])
      const history = [produced(1), ...flapping, produced(2), produced(3)]
      assert.strictEqual((yield* searched(history, 3)).key, "3.json")
      assert.strictEqual((yield* searched(history, 4)).key, "")
    }).pipe(Effect.provide(MemoryEventStore.layer))
  )
})
