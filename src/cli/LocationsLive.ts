import { Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { LocationIndex } from "../actors/LocationIndex.ts"
import { EventStore } from "../eventstore/EventStore.ts"
import * as Projected from "../projections/LocationIndex.ts"
import { Locations } from "../projections/Locations.ts"
import { Partitions, partitionsOf } from "../projections/Partitions.ts"
import { ProjectionRunner } from "../projections/ProjectionRunner.ts"

/** A question to the index is asked again until it has an answer that can be believed. */
const patience = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")])

/** How long an object that the index does not know is waited for: reading goes on without it, healing would not. */
const recordedWithinMs = 500

/**
 * The index of locations that actors decide on: the projection's answer, once it has passed the head that the log had
 * when the question was asked.
 */
export const layer = Layer.effect(
  LocationIndex,
  Effect.gen(function* () {
    const log = yield* EventStore
    const index = yield* Projected.LocationIndex
    const runner = yield* ProjectionRunner
    const sql = yield* SqlClient.SqlClient

    const asked = <A, E>(question: Effect.Effect<A, E>, name: string = Locations.name) =>
      Effect.gen(function* () {
        yield* runner.waitFor(yield* log.head, { name })
        return yield* question
      }).pipe(
        Effect.tapError((error) => Effect.logDebug("the index of locations cannot answer yet", error)),
        Effect.retry(patience),
        Effect.orDie
      )

    const recorded = Effect.fnUntraced(function* (store: string, key: string) {
      const known = yield* index.owner(store, key)
      if (known !== null) return known
      yield* runner.waitFor(yield* log.head, { name: Locations.name, timeoutMs: recordedWithinMs })
      return yield* index.owner(store, key)
    })

    return LocationIndex.of({
      recorded: (store, key) =>
        recorded(store, key).pipe(
          Effect.tapError((error) => Effect.logDebug(`${store}/${key} is read without the index of locations`, error)),
          Effect.orElseSucceed(() => null)
        ),
      owner: (store, key) =>
        Effect.map(asked(index.owner(store, key)), (found) =>
          found === null ? null : { assetId: found.assetId, partitionKey: found.partitionKey }
        ),
      copies: (sha256) => asked(index.bySha256(sha256)),
      below: (store, keyPrefix) =>
        Effect.map(asked(index.inDataset(store, keyPrefix)), (files) => files.filter(({ isCurrent }) => isCurrent)),
      partitions: (assetId) =>
        asked(Effect.provideService(partitionsOf(assetId), SqlClient.SqlClient, sql), Partitions.name)
    })
  })
)
