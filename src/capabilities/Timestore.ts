import { Context, Duration, Effect, Layer, Semaphore } from "effect"
import { mkdir, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import type { Failure } from "../domain/Failure.ts"
import type { Location } from "../domain/Location.ts"
import { classifyUnknown } from "./classifyUnknown.ts"
import * as DuckDb from "./DuckDb.ts"
import { StoreError } from "./ObjectStore.ts"
import { columnsOf, isFault, type Row } from "./ParquetRows.ts"
import { writeParquet } from "./ParquetWriter.ts"
import { open as openCache, type PartitionCache } from "./PartitionCache.ts"
import * as PartitionFile from "./PartitionFile.ts"
import { QueryRefused, queryFiles } from "./PartitionQuery.ts"
import { Stores } from "./Stores.ts"
import { verifiedRead } from "./verifiedRead.ts"

/** A recorded object of a data set, and the partition that it belongs to. */
export type PartitionLocation = Location & { readonly partitionKey: string }

export interface TimestoreOptions {
  /** Folder of the local copies, absolute; it belongs to this process alone. */
  readonly cacheDir: string
  /** Bytes of local copies that are kept; default 1 GiB. */
  readonly cacheBytesMax?: number
  /** Megabytes of memory of one query or write; default 512. */
  readonly memoryMb?: number
  /** Rows that one query may answer; default 1,000,000. */
  readonly rowsMax?: number
  /** How long one query may run, ms; default 10 minutes. */
  readonly queryMsMax?: number
}

/**
 * DuckDB over Parquet partitions in an object store. Which partitions exist is the caller's knowledge, from the log:
 * nothing here lists a store, and a partition that is asked for and absent is a failure, never a smaller answer.
 */
export class Timestore extends Context.Service<
  Timestore,
  {
    /**
     * Writes one partition, replacing it if it is there. Equal rows give equal bytes. Fails `permanent` for values
     * that have no column type, naming row and column.
     */
    readonly writePartition: (
      store: string,
      dataset: string,
      partitionKey: string,
      rows: ReadonlyArray<Row>
    ) => Effect.Effect<Location, StoreError>

    /**
     * Runs one SELECT over exactly `locations`, as a view named after the data set, to which a `partition_key` column
     * is added; `params` stand for `?` or `$1`. Each object is looked at in its store first, cached or not:
     * `asset_missing` names the one that is absent, `corrupt` the one whose bytes are not the recorded ones.
     */
    readonly query: (
      locations: ReadonlyArray<PartitionLocation>,
      dataset: string,
      sql: string,
      params?: ReadonlyArray<unknown>
    ) => Effect.Effect<ReadonlyArray<Row>, StoreError>
  }
>()("kintsugi/capabilities/Timestore") {
  /** DuckDB is loaded, and the cache's folder made, at the first use. */
  static readonly layer = (options: TimestoreOptions): Layer.Layer<Timestore, never, Stores> =>
    Layer.effect(Timestore, make(options))
}

const cacheBytesMaxDefault = 1024 * 1024 * 1024
const memoryMbDefault = 512
const rowsMaxDefault = 1_000_000
const queryMsMaxDefault = 10 * 60_000
const spillGb = 4
/** Queries and writes at once, each with its own memory. */
const enginesMax = 2
const threads = 2
/** Objects of one query that are looked at or fetched at once. */
const fetchesMax = 8

const make = Effect.fnUntraced(function* (options: TimestoreOptions) {
  const stores = yield* Stores
  const engines = yield* Semaphore.make(enginesMax)
  const rowsMax = options.rowsMax ?? rowsMaxDefault
  const queryMsMax = options.queryMsMax ?? queryMsMaxDefault
  let opened: Promise<PartitionCache> | undefined
  const openOnce = (): Promise<PartitionCache> => {
    opened ??= openCache(options.cacheDir, options.cacheBytesMax ?? cacheBytesMaxDefault).catch((cause: unknown) => {
      opened = undefined
      throw cause
    })
    return opened
  }

  const get = (name: string) =>
    Effect.mapError(stores.get(name), (cause) =>
      toStoreError({ class: "permanent", code: "unknown_store", message: cause.message, store: name }, cause)
    )

  /** Work in a folder of its own, with a place in the line for an engine. */
  const inFolder = <A>(
    work: (folder: string, cache: PartitionCache, limits: DuckDb.DuckDbLimits) => Effect.Effect<A, StoreError>
  ): Effect.Effect<A, StoreError> =>
    engines.withPermit(
      Effect.acquireUseRelease(
        local(async () => {
          const cache = await openOnce()
          return { cache, folder: await cache.workFolder() }
        }),
        ({ cache, folder }) => {
          const spillDir = join(folder, "spill")
          return work(folder, cache, { memoryMb: options.memoryMb ?? memoryMbDefault, spillGb, threads, spillDir })
        },
        ({ folder }) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
      )
    )

  /** The recorded bytes at `path`: from the cache when the store still has the object as it was recorded. */
  const stage = Effect.fnUntraced(function* (cache: PartitionCache, location: PartitionLocation, path: string) {
    const store = yield* get(location.store)
    const info = yield* store.stat(location.key)
    const unchanged = info.sha256 === location.sha256 || info.etag === location.etag
    if (unchanged && (yield* local(() => cache.linkTo(location.sha256, path)))) return
    const bytes = yield* verifiedRead(store, location)
    yield* local(() => cache.store(location.sha256, bytes, path))
  })

  const writePartition = Effect.fn("Timestore.writePartition")(function* (
    storeName: string,
    dataset: string,
    partitionKey: string,
    rows: ReadonlyArray<Row>
  ) {
    const store = yield* get(storeName)
    const fault = PartitionFile.fault(dataset, partitionKey)
    if (fault !== null) return yield* refuse("invalid_partition", fault)
    const columns = columnsOf(rows, partitionKey)
    if (isFault(columns)) return yield* refuse(columns.code, columns.message)
    const content = yield* inFolder((folder, _cache, limits) => {
      const path = join(folder, "partition.parquet")
      return DuckDb.withConnection({ ...limits, threads: 1 }, async (connection, duckdb, signal) => {
        await writeParquet(connection, duckdb, signal, { path, partitionKey, columns, rows })
        return readFile(path)
      }).pipe(Effect.mapError((cause) => classified(cause)))
    })
    return yield* store.write(PartitionFile.keyOf(dataset, partitionKey), content)
  })

  const query = Effect.fn("Timestore.query")(function* (
    locations: ReadonlyArray<PartitionLocation>,
    dataset: string,
    sql: string,
    params: ReadonlyArray<unknown> = []
  ) {
    const fault = PartitionFile.fault(dataset, "")
    if (fault !== null) return yield* refuse("invalid_partition", fault)
    if (locations.length === 0) return yield* refuse("no_partitions", `data set ${dataset} has no partitions to query`)
    return yield* inFolder((folder, cache, limits) => {
      const filesFolder = join(folder, "files")
      const files = distinct(locations).map((location, index) => ({
        location,
        partitionKey: location.partitionKey,
        path: join(filesFolder, `${index}.parquet`)
      }))
      return Effect.gen(function* () {
        yield* local(() => mkdir(filesFolder))
        yield* Effect.forEach(files, ({ location, path }) => stage(cache, location, path), {
          concurrency: fetchesMax,
          discard: true
        })
        return yield* DuckDb.withConnection(limits, (connection, duckdb, signal) =>
          queryFiles(connection, duckdb, signal, { dataset, files, folder: filesFolder, sql, params, rowsMax })
        ).pipe(
          Effect.mapError((cause) => classified(cause, files)),
          Effect.timeoutOrElse({
            duration: Duration.millis(queryMsMax),
            orElse: () => Effect.fail(refuse("query_too_long", `the query runs for more than ${queryMsMax} ms`))
          }),
          Effect.tapError(({ failure }) =>
            failure.class === "corrupt"
              ? local(() => Promise.all(files.map(({ location }) => cache.drop(location.sha256))))
              : Effect.void
          )
        )
      })
    })
  })

  return Timestore.of({ writePartition, query })
})

/** The same object named twice would count its rows twice. */
const distinct = (locations: ReadonlyArray<PartitionLocation>): ReadonlyArray<PartitionLocation> => [
  ...new Map(locations.map((location) => [JSON.stringify([location.store, location.key]), location])).values()
]

const toStoreError = (failure: Failure, cause: unknown): StoreError =>
  new StoreError({ failure: { capability: "timestore", ...failure }, cause })

const refuse = (code: string, message: string): StoreError =>
  toStoreError({ class: "permanent", code, message }, new Error(message))

/** Work on the local disk. Its errors are not the store's: they are worth another try, and nothing is missing. */
const local = <A>(run: () => Promise<A>): Effect.Effect<A, StoreError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => {
      const message = cause instanceof Error ? cause.message : String(cause)
      return toStoreError({ class: "transient", code: "local_disk", message }, cause)
    }
  })

/** DuckDB's error by its message; one that names a staged file is about the object that was staged there. */
const classified = (
  cause: unknown,
  files: ReadonlyArray<{ readonly path: string; readonly location: Location }> = []
): StoreError => {
  if (cause instanceof QueryRefused)
    return toStoreError({ class: "permanent", code: cause.code, message: cause.message }, cause)
  const { key: _path, ...found } = classifyUnknown(cause)
  // Some errors of the format name no file: they are told apart only when there is one.
  const onlyFile = found.class === "corrupt" && files.length === 1 ? files[0] : undefined
  const file = files.find(({ path }) => found.message.includes(path)) ?? onlyFile
  // The staged copy is ours: whatever became of it, the store's object was there a moment ago.
  const failure: Failure =
    found.class === "asset_missing" ? { ...found, class: "transient", code: "local_disk" } : found
  if (file === undefined) return toStoreError(failure, cause)
  const { key, store } = file.location
  return toStoreError(
    { ...failure, message: failure.message.replaceAll(file.path, `${store}/${key}`), store, key },
    cause
  )
}
