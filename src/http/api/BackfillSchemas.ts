import { Schema } from "effect"
import { concurrencyDefault, concurrencyMax, partitionsMax } from "../../domain/backfill/BackfillDecide.ts"
import { AssetId, Nullable, Reason, Text } from "./Fields.ts"

/** `canceling`: it was canceled, and runs under way have yet to end. */
export const BackfillStatus = Schema.Literals(["running", "paused", "canceling", "succeeded", "failed", "canceled"])

const counts = {
  total: Schema.Int,
  succeeded: Schema.Int,
  failed: Schema.Int,
  canceled: Schema.Int,
  skipped: Schema.Int,
  running: Schema.Int,
  waiting: Schema.Int
}

const summary = {
  id: Schema.String,
  workflow: Schema.String,
  assetId: Nullable,
  status: BackfillStatus,
  reason: Schema.String,
  concurrency: Schema.Int,
  canary: Schema.Int,
  onlyMissing: Schema.Boolean,
  ...counts,
  failedCanary: Nullable,
  requestedAt: Schema.String,
  finishedAt: Nullable
}

/** A backfill as lists show it. */
export const BackfillSummary = Schema.Struct(summary).annotate({ identifier: "BackfillSummary" })
export type BackfillSummary = typeof BackfillSummary.Type

/** `failures`: the first 100 partitions whose runs did not succeed; `runs`: those under way. */
export const Backfill = Schema.Struct({
  ...summary,
  parameters: Schema.Record(Schema.String, Schema.Unknown),
  stopReason: Nullable,
  failures: Schema.Array(
    Schema.Struct({
      partitionKey: Nullable,
      outcome: Schema.Literals(["failed", "canceled"]),
      runId: Nullable,
      code: Nullable,
      message: Nullable
    })
  ),
  runs: Schema.Array(Schema.Struct({ partitionKey: Nullable, runId: Schema.String })),
  streamVersion: Schema.Int
}).annotate({ identifier: "Backfill" })

/** What a dry run answers; `partitions` are the first 1,000 that would run. */
export const BackfillPlan = Schema.Struct({
  workflow: Schema.String,
  assetId: Nullable,
  total: Schema.Int,
  wouldRun: Schema.Int,
  wouldSkip: Schema.Int,
  unknown: Schema.Int,
  partitions: Schema.Array(Schema.String)
}).annotate({ identifier: "BackfillPlan" })

const selectionMessage = `must be "all", {"from": key, "to": key} or {"keys": [key, …]} of at most ${partitionsMax} keys`

const whole = (minimum: number, maximum: number) => {
  const message = `must be a whole number from ${minimum} to ${maximum}`
  return Schema.Number.check(Schema.isInt({ message }), Schema.isBetween({ minimum, maximum }, { message }))
}

/** What is asked for; each partition is judged by the engine, with the path where it is. */
export const BackfillRequest = Schema.Struct({
  workflow: Text(300),
  assetId: Schema.optionalKey(AssetId),
  partitions: Schema.Union([
    Schema.Literal("all"),
    Schema.Struct({ from: Schema.String, to: Schema.String }),
    Schema.Struct({ keys: Schema.Array(Schema.String) })
  ]).annotate({ message: selectionMessage }),
  concurrency: Schema.optionalKey(whole(1, concurrencyMax)).annotate({ default: concurrencyDefault }),
  canary: Schema.optionalKey(whole(0, partitionsMax)),
  parameters: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json)),
  onlyMissing: Schema.optionalKey(Schema.Boolean),
  dryRun: Schema.optionalKey(Schema.Boolean),
  reason: Schema.optionalKey(Reason)
})
