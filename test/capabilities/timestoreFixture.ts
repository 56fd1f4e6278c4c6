import { Effect, Layer, type Scope } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ObjectStore, StoreError } from "../../src/capabilities/ObjectStore.ts"
import { Stores } from "../../src/capabilities/Stores.ts"
import { type PartitionLocation, Timestore, type TimestoreOptions } from "../../src/capabilities/Timestore.ts"

/** A timestore over a folder store, in a folder of its own. */
export interface Fixture {
  readonly timestore: Timestore["Service"]
  readonly store: ObjectStore
  /** The store's root folder. */
  readonly root: string
  readonly cacheDir: string
}

export const temporary = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "kintsugi-timestore-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

export const opened = (
  base: string,
  options: Partial<TimestoreOptions> = {}
): Effect.Effect<Fixture, never, Scope.Scope> =>
  Effect.gen(function* () {
    const cacheDir = join(base, "cache")
    const context = yield* Layer.build(
      Timestore.layer({ cacheDir, ...options }).pipe(
        Layer.provideMerge(Stores.layer({ lake: { type: "folder", path: "lake" } }, base))
      )
    )
    return yield* Effect.gen(function* () {
      const store = yield* Effect.orDie((yield* Stores).get("lake"))
      yield* Effect.orDie(store.ensureMarker)
      return { timestore: yield* Timestore, store, root: join(base, "lake"), cacheDir }
    }).pipe(Effect.provide(context))
  })

export const fixture = (options?: Partial<TimestoreOptions>) =>
  Effect.flatMap(temporary, (base) => opened(base, options))

/** Writes one partition of `readings` and answers it as the log would record it. */
export const written = (
  { timestore }: Fixture,
  partitionKey: string,
  rows: ReadonlyArray<Readonly<Record<string, unknown>>>
): Effect.Effect<PartitionLocation, StoreError> =>
  Effect.map(timestore.writePartition("lake", "readings", partitionKey, rows), (location) => ({
    ...location,
    partitionKey
  }))

export const outcome = (attempt: Effect.Effect<unknown, StoreError>) =>
  Effect.map(Effect.flip(attempt), ({ failure }) => `${failure.class} ${failure.code}`)

export const threePartitions = Effect.fnUntraced(function* (made: Fixture) {
  return [
    yield* written(made, "2024-01", [{ value: 1 }, { value: 2 }]),
    yield* written(made, "2024-02", [{ value: 30 }]),
    yield* written(made, "2024-03", [{ value: 400 }])
  ]
})

export const sumAndCount = "SELECT sum(value) AS sum, count(*) AS count FROM readings"
