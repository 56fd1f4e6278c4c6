import { Effect, Layer, Schedule } from "effect"
import { LocationIndex } from "../actors/LocationIndex.ts"
import { EventStore } from "../eventstore/EventStore.ts"
import { AssetInventory } from "../projections/AssetInventory.ts"
import * as Projected from "../projections/LocationIndex.ts"

/** A question to the index is asked again until it has an answer that can be believed. */
const patience = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")])

/**
 * The index of locations that actors decide on: the projection's answer, once it has passed the head that the log had
 * when the question was asked.
 */
export const layer = Layer.effect(
  LocationIndex,
  Effect.gen(function* () {
    const log = yield* EventStore
    const index = yield* Projected.LocationIndex
    const inventory = yield* AssetInventory

    const asked = <A, E>(question: Effect.Effect<A, E>) =>
      Effect.gen(function* () {
        yield* index.waitFor(yield* log.head)
        return yield* question
      }).pipe(
        Effect.tapError((error) => Effect.logDebug("the index of locations cannot answer yet", error)),
        Effect.retry(patience),
        Effect.orDie
      )

    return LocationIndex.of({
      owner: (store, key) =>
        Effect.map(asked(index.owner(store, key)), (found) =>
          found === null ? null : { assetId: found.assetId, partitionKey: found.partitionKey }
        ),
      copies: (sha256) => asked(index.bySha256(sha256)),
      below: (store, keyPrefix) =>
        Effect.map(asked(index.inDataset(store, keyPrefix)), (files) => files.filter(({ isCurrent }) => isCurrent)),
      partitions: (assetId) =>
        Effect.map(asked(inventory.partitions(assetId)), (found) => found.map(({ partitionKey }) => partitionKey))
    })
  })
)
