import { Effect } from "effect"
import { StoreError } from "../../capabilities/ObjectStore.ts"
import * as PartitionFile from "../../capabilities/PartitionFile.ts"
import type { Stores } from "../../capabilities/Stores.ts"
import type { Timestore } from "../../capabilities/Timestore.ts"
import type { Failure } from "../../domain/Failure.ts"
import * as Id from "../../domain/Id.ts"
import type { Location } from "../../domain/Location.ts"
import type { LocationIndex } from "../LocationIndex.ts"
import type { StoreHealth } from "../StoreHealth.ts"
import { type Attempt, locationKey } from "./Attempt.ts"
import type { Overwriting } from "./Overwriting.ts"
import type { RecordedBytes } from "./RecordedBytes.ts"

const failed = (failure: Failure) => new StoreError({ failure, cause: failure.message })

/** Times that one query is asked because a partition was remade while it ran. */
const queriesMax = 3

/** A recorded partition's key, from its object's key; an object that no timestore wrote goes by its own key. */
const partitionOf = (dataset: string, key: string): string => PartitionFile.partitionKeyOf(dataset, key) ?? key

const sameWithoutCase = (found: ReadonlyMap<string, Location>, partitionKey: string): Location | undefined => {
  for (const [key, location] of found) if (Id.partitionKey(key) === Id.partitionKey(partitionKey)) return location
  return undefined
}

/**
 * `ctx.timestore` of one attempt, as Effects. What exists is what the log says, never what a listing finds: a recorded
 * partition that is absent is `asset_missing`, not a smaller answer (DESIGN, section 5).
 */
export const make = (options: {
  readonly store: string | undefined
  readonly stores: Stores["Service"]
  readonly timestore: Timestore["Service"]
  readonly index: LocationIndex["Service"]
  readonly health: StoreHealth["Service"]
  readonly attempt: Attempt
  readonly recorded: RecordedBytes
  readonly overwriting: Overwriting
}) => {
  const { attempt, health, index, overwriting, stores, timestore } = options

  const store = Effect.suspend(() => {
    if (!attempt.isOpen()) {
      const message = "the attempt has ended: its capabilities may no longer be used"
      return Effect.fail(failed({ class: "permanent", code: "attempt_ended", message }))
    }
    if (options.store !== undefined) return Effect.as(health.guard(options.store), options.store)
    const message = 'the app has no timestore: name its store in defineApp({ timestore: { store: "…" } })'
    return Effect.fail(failed({ class: "permanent", code: "no_timestore", message }))
  })
  const observed = <A>(effect: Effect.Effect<A, StoreError>) =>
    Effect.tapError(effect, ({ failure }) => health.observe(failure))

  /** Recorded partitions of the data set, and what this attempt has written itself. */
  const recorded = (dataset: string) =>
    Effect.gen(function* () {
      const name = yield* store
      const found = new Map<string, Location>()
      for (const location of yield* index.below(name, PartitionFile.prefixOf(dataset))) {
        found.set(partitionOf(dataset, location.key), location)
      }
      for (const location of attempt.writes.values()) {
        if (location.store === name && location.key.startsWith(PartitionFile.prefixOf(dataset))) {
          found.set(partitionOf(dataset, location.key), location)
        }
      }
      return found
    })

  /** The recorded objects of the partitions asked for, by default of all. */
  const wanted = Effect.fnUntraced(function* (dataset: string, partitions: ReadonlyArray<string> | undefined) {
    const found = yield* recorded(dataset)
    const locations: Array<Location & { readonly partitionKey: string }> = []
    for (const partitionKey of partitions ?? [...found.keys()].sort()) {
      const location = found.get(partitionKey) ?? sameWithoutCase(found, partitionKey)
      if (location === undefined) {
        const name = yield* store
        return yield* failed({
          class: "asset_missing",
          code: "partition_unknown",
          message: `data set ${dataset} has no recorded partition "${partitionKey}"`,
          store: name,
          key: PartitionFile.keyOf(dataset, partitionKey),
          capability: "timestore"
        })
      }
      attempt.noteRead(location.store, location.key)
      locations.push({ ...location, partitionKey })
    }
    return locations
  })

  /** A partition whose bytes are not the recorded ones is looked at like any file: `remade` if all is well after all. */
  const remade = Effect.fnUntraced(function* (error: StoreError) {
    const { key, store: name } = error.failure
    if (key === undefined || name === undefined) return yield* error
    const again = (code: string, message: string) =>
      failed({ class: "transient", code, message, store: name, key, capability: "timestore" })
    // No generation that the log knows says anything of what this attempt wrote.
    if (attempt.writes.has(locationKey(name, key))) {
      return yield* again("own_write_changed", `${name}/${key} is not as this attempt wrote it`)
    }
    yield* options.recorded.judged(yield* Effect.orDie(stores.get(name)), key)
    return yield* again("remade", `${name}/${key} was made again while the query ran`)
  })

  return {
    writePartition: (dataset: string, partitionKey: string, rows: ReadonlyArray<Readonly<Record<string, unknown>>>) =>
      observed(
        Effect.gen(function* () {
          const name = yield* store
          // One that has no object key is refused by the timestore.
          if (PartitionFile.fault(dataset, partitionKey) === null) {
            yield* overwriting(name, PartitionFile.keyOf(dataset, partitionKey))
          }
          const location = yield* timestore.writePartition(name, dataset, partitionKey, rows)
          attempt.noteWrite(location)
          return location
        })
      ),
    query: (
      dataset: string,
      sql: string,
      params: ReadonlyArray<unknown>,
      chosen: { readonly partitions?: ReadonlyArray<string> | undefined } | undefined
    ) =>
      observed(
        Effect.flatMap(wanted(dataset, chosen?.partitions), (locations) =>
          timestore.query(locations, dataset, sql, params)
        ).pipe(
          Effect.catchIf(({ failure }) => failure.code === "checksum_mismatch", remade),
          Effect.retry({ times: queriesMax - 1, while: ({ failure }) => failure.code === "remade" })
        )
      ),
    listPartitions: (dataset: string) => Effect.map(recorded(dataset), (found) => [...found.keys()].sort())
  }
}
