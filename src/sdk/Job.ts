import type { Effect } from "effect"
import type { Location } from "../domain/Location.ts"
import type { JobContext, Json, JsonObject } from "./JobContext.ts"

/** An asset that a step says it has produced. */
export interface ReportedAsset {
  /** One of those that the step declares under `produces`. */
  readonly assetId: string
  /** Default: the run's. */
  readonly partitionKey?: string
  /** At most 64 KiB of JSON. */
  readonly payload?: Json
  /** ISO 8601; default: when the step ended. */
  readonly producedAt?: string
  readonly schema?: JsonObject
  readonly freshness?: { readonly ttlMs?: number; readonly cadenceMs?: number; readonly maxAgeMs?: number }
  /** What `ctx.files` and `ctx.timestore` answered: the asset's parts, all needed. */
  readonly locations?: ReadonlyArray<Location>
}

/**
 * How a step ended. `result` is at most 256 KiB of JSON. `failed` records no assets and is retried like a thrown
 * error; throw `PermanentFailure` for what must not be retried.
 */
export interface JobResult {
  readonly status?: "succeeded" | "failed"
  readonly result?: { readonly assets?: ReadonlyArray<ReportedAsset>; readonly [key: string]: unknown }
  /** Why it failed, with `status: "failed"`. */
  readonly error?: unknown
}

/** What `run` may answer; nothing at all is a success without a result. */
// biome-ignore lint/suspicious/noConfusingVoidType: a job that returns nothing has this type
export type JobAnswer = JobResult | void

type RunJob<Parameters extends object> = (
  context: JobContext<Parameters>
) => JobAnswer | Promise<JobAnswer> | Effect.Effect<JobAnswer, unknown>

/** What a step runs, known to workflows by its slug. */
export interface Job {
  readonly slug: string
  readonly description?: string | undefined
  readonly run: RunJob<JsonObject>
}

/**
 * Describes a job. `slug` is 1 to 120 characters `[a-z0-9][a-z0-9_-]*`. `run` does the work; it runs again after a
 * crash, so it should do no harm a second time (`ctx.idempotencyKey` helps).
 */
export const defineJob = <Parameters extends object = JsonObject>(job: {
  readonly slug: string
  readonly description?: string
  readonly run: RunJob<Parameters>
}): Job =>
  // The parameters are JSON when they arrive; what the job expects of them is the workflow's promise.
  job as Job
