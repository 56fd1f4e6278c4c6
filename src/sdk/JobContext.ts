import type { Schema } from "effect"
import type { Location } from "../domain/Location.ts"
import type { Trigger } from "../domain/Trigger.ts"

/** A JSON value: what parameters, results and payloads are made of. */
export type Json = Schema.Json
/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json }

/**
 * What one attempt of a step is given. Everything is safe to call at any time during the attempt; after it has ended
 * (returned, thrown, timed out, canceled) every write is refused.
 *
 * `Parameters` is what the job expects to find; it is not checked when the job runs.
 */
export interface JobContext<Parameters extends object = JsonObject> {
  readonly runId: string
  readonly workflowSlug: string
  readonly stepId: string
  /** Counts every execution begun, from 1. */
  readonly attempt: number
  /** The same for each attempt of this step: hand it to services that deduplicate. */
  readonly idempotencyKey: string
  /** W3C trace context of this attempt, to send along with requests; undefined while nothing is traced. */
  readonly traceparent: string | undefined
  /** Of the run; undefined for a run without one. */
  readonly partitionKey: string | undefined
  /** Defaults of the workflow, then the run's, then the step's, with templates filled in. */
  readonly parameters: Parameters
  /** The results of finished steps, by step id. A skipped step's is what it was skipped with, or null. */
  readonly steps: { readonly [stepId: string]: Json }
  /** What the step declares under `consumes`, by asset id as declared. An absent optional input has no entry. */
  readonly inputs: { readonly [assetId: string]: JobInput }
  readonly trigger: Trigger
  /** Aborted when the attempt is to end: time-out, cancel, shutdown. */
  readonly signal: AbortSignal
  /** Tells that the attempt is alive, with its progress if there is something to tell. */
  readonly heartbeat: (progress?: Json) => void
  readonly log: JobLog
  readonly assets: JobAssets
  readonly files: JobFiles
  readonly timestore: JobTimestore
}

/** The newest generation of one partition of a consumed asset. */
export interface JobInputPartition {
  readonly assetId: string
  /** Undefined for an asset without partitions. */
  readonly partitionKey: string | undefined
  /** Counts the productions of this partition, from 1. */
  readonly generation: number
  readonly payload: Json
  /** The files that the asset consists of. */
  readonly locations: ReadonlyArray<Location>
  /** ISO 8601, UTC. */
  readonly producedAt: string
}

/**
 * A consumed asset. With `partitions: "all"`, `{ last: n }` or windows that cover each other there can be several: `all`
 * holds them in the order of their keys, windows in the order of time, and the fields beside it are those of the last
 * one. With a single partition, `all` holds just that.
 */
export interface JobInput extends JobInputPartition {
  readonly all: ReadonlyArray<JobInputPartition>
}

type Log = (message: string, fields?: JsonObject) => void

/** Lines in the run's log, with run, step and attempt attached. */
export interface JobLog {
  readonly debug: Log
  readonly info: Log
  readonly warn: Log
  readonly error: Log
}

export interface JobAssets {
  /**
   * Says that these partitions of an asset ("" for one without partitions) should be made again; `note` (at most 2,000
   * characters) says why. Where the asset's `autoMaterialize` is enabled its producer runs; the next production ends the
   * mark. Rejects with `PermanentFailure`, and marks none, when one of them was never produced.
   */
  readonly markStale: (assetId: string, partitionKeys: ReadonlyArray<string>, note: string) => Promise<void>
}

export interface FileInfo {
  readonly store: string
  readonly key: string
  readonly bytes: number
  readonly etag: string
  /** Lower-case hex; only when the store knows it without reading the bytes. */
  readonly sha256?: string
}

/**
 * Files in the app's stores. Keys are `/`-separated, at most 1,024 bytes, without empty, `.` and `..` segments.
 * Rejects with `AssetMissing` when the object is gone, `StoreUnavailable` when the store does not answer, and
 * `PermanentFailure` for an unknown store, an invalid key or denied access. Not catching them is right: the step then
 * waits for the asset or the store by itself.
 */
export interface JobFiles {
  readonly readText: (store: string, key: string) => Promise<string>
  readonly readBytes: (store: string, key: string) => Promise<Uint8Array>
  /** Writes or replaces the object; list the answer under an asset's `locations` to make the file a part of it. */
  readonly writeText: (store: string, key: string, text: string) => Promise<Location>
  readonly writeBytes: (store: string, key: string, bytes: Uint8Array) => Promise<Location>
  readonly stat: (store: string, key: string) => Promise<FileInfo>
  /** Objects whose key starts with `prefix` (default: all), in key order. */
  readonly list: (store: string, prefix?: string) => Promise<ReadonlyArray<FileInfo>>
  /** An object that is gone already is no failure. */
  readonly delete: (store: string, key: string) => Promise<void>
}

/** A row of a dataset: columns by name. */
export type Row = { readonly [column: string]: unknown }

/**
 * DuckDB over Parquet, one file a partition, in the store that the app names. Reads go by what the log says exists: a
 * recorded partition whose file is gone rejects with `AssetMissing` naming it, never with a smaller answer.
 */
export interface JobTimestore {
  /** Writes or replaces one partition; at least one row, all with the same columns. */
  readonly writePartition: (dataset: string, partitionKey: string, rows: ReadonlyArray<Row>) => Promise<Location>
  /** Runs one SELECT in which the dataset is a table of that name; `params` fill `$1`, `$2`, … */
  readonly query: (
    dataset: string,
    sql: string,
    params?: ReadonlyArray<Json>,
    options?: { readonly partitions?: ReadonlyArray<string> }
  ) => Promise<ReadonlyArray<Row>>
  /** The recorded partitions, in the order of their keys. */
  readonly listPartitions: (dataset: string) => Promise<ReadonlyArray<string>>
}
