import { Schema } from "effect"
import { canaryMax, limitDefault, limitMax, rateDefault, rateMax } from "../../domain/bulk/BulkDecide.ts"
import { Action, recoveryActions, runActions, Target } from "../../domain/bulk/BulkEvents.ts"
import { Nullable, WrittenReason } from "./Fields.ts"
import { recoveryFilters } from "./Recoveries.ts"
import { runFilters } from "./Runs.ts"

/** `canceling`: it was canceled, and items under way have yet to be noted. */
export const BulkStatus = Schema.Literals(["running", "canceling", "succeeded", "failed", "canceled"])

const summary = {
  id: Schema.String,
  target: Target,
  action: Action,
  status: BulkStatus,
  reason: Schema.String,
  principal: Nullable,
  total: Schema.Int,
  done: Schema.Int,
  skipped: Schema.Int,
  failed: Schema.Int,
  canary: Schema.Int,
  requestedAt: Schema.String,
  endedAt: Nullable
}

/** A bulk operation as lists show it. */
export const BulkSummary = Schema.Struct(summary).annotate({ identifier: "BulkSummary" })
export type BulkSummary = typeof BulkSummary.Type

/** `undone`: the first 100 items that were not done; `started`: the first 100 runs that replays have started. */
export const Bulk = Schema.Struct({
  ...summary,
  filter: Schema.Record(Schema.String, Schema.Unknown),
  more: Schema.Boolean,
  ratePerSecond: Schema.Int,
  waiting: Schema.Int,
  watching: Schema.Array(Schema.String),
  failedCanary: Schema.NullOr(Schema.Struct({ id: Schema.String, message: Schema.String })),
  undone: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      outcome: Schema.Literals(["skipped", "failed"]),
      code: Schema.String,
      message: Schema.String
    })
  ),
  started: Schema.Array(Schema.Struct({ id: Schema.String, runId: Schema.String })),
  stopReason: Nullable,
  streamVersion: Schema.Int
}).annotate({ identifier: "Bulk" })

/** What a dry run answers; `ids` and `skipped` are the first 100 of each. */
export const BulkPlan = Schema.Struct({
  target: Target,
  action: Action,
  total: Schema.Int,
  more: Schema.Boolean,
  wouldDo: Schema.Int,
  wouldSkip: Schema.Int,
  ids: Schema.Array(Schema.String),
  skipped: Schema.Array(Schema.Struct({ id: Schema.String, code: Schema.String, message: Schema.String }))
}).annotate({ identifier: "BulkPlan" })

const whole = (minimum: number, maximum: number) => {
  const message = `must be a whole number from ${minimum} to ${maximum}`
  return Schema.Number.check(Schema.isInt({ message }), Schema.isBetween({ minimum, maximum }, { message }))
}

const common = {
  /** Without a filter: whatever there is. */
  all: Schema.optionalKey(Schema.Boolean),
  limit: Schema.optionalKey(whole(1, limitMax)).annotate({ default: limitDefault }),
  dryRun: Schema.optionalKey(Schema.Boolean),
  canary: Schema.optionalKey(whole(0, canaryMax)),
  ratePerSecond: Schema.optionalKey(whole(1, rateMax)).annotate({ default: rateDefault }),
  reason: WrittenReason
}

/** The filters of `GET /runs` and of `GET /recoveries`, each for its target. */
export const BulkRequest = Schema.Union([
  Schema.Struct({
    target: Schema.optionalKey(Schema.Literal("runs")),
    action: Schema.Literals(runActions),
    filter: Schema.optionalKey(Schema.Struct(runFilters)),
    ...common
  }),
  Schema.Struct({
    target: Schema.Literal("recoveries"),
    action: Schema.Literals(recoveryActions),
    filter: Schema.optionalKey(Schema.Struct(recoveryFilters)),
    ...common
  })
])
export type BulkRequest = typeof BulkRequest.Type
