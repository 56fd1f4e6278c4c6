import { Schema } from "effect"
import { ReasonCode, Recheck, RecoveryClass } from "../../domain/recovery/RecoveryEvents.ts"
import { Nullable, open } from "./Fields.ts"

export const RecoveryStatus = Schema.Literals(["requested", "planned", "running", "succeeded", "failed", "canceled"])

const asset = { assetId: Schema.String, partitionKey: Nullable }

export const RootCauseView = Schema.Struct({ ...asset, why: Schema.String }).annotate({ identifier: "RootCause" })

/** One thing to remake, in the order in which they run; `webhook`: its source is called there, no workflow runs. */
export const PlanStepView = Schema.Struct({
  ...asset,
  class: RecoveryClass,
  workflow: Schema.String,
  step: Schema.String,
  why: Schema.String,
  webhook: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "PlanStep" })

const summary = {
  id: Schema.String,
  ...asset,
  lostGeneration: Schema.Int,
  status: RecoveryStatus,
  paused: Schema.Boolean,
  class: Schema.NullOr(RecoveryClass),
  attempts: Schema.Int,
  maxAttempts: Schema.Int,
  waiterCount: Schema.Int,
  producerRunId: Nullable,
  reasonCode: Schema.NullOr(ReasonCode),
  requestedAt: Nullable,
  finishedAt: Nullable
}

/** A recovery as lists show it. */
export const RecoverySummary = open(summary).annotate({ identifier: "RecoverySummary" })
export type RecoverySummary = typeof RecoverySummary.Type

/** `waiters` are the first 100 of `waiterCount`; `chain`: the recoveries of missing inputs that it waited for. */
export const Recovery = open({
  ...summary,
  recheck: Schema.optionalKey(Schema.NullOr(Recheck)),
  rootCause: Schema.NullOr(RootCauseView),
  plan: Schema.Array(PlanStepView),
  waiters: Schema.Array(Schema.Unknown),
  chain: Schema.Array(Schema.Unknown),
  streamVersion: Schema.Int
}).annotate({ identifier: "Recovery" })

/** A dry run. `present`: the asset is there, nothing would run. */
export const RecoveryPlan = Schema.Struct({
  ...asset,
  lostGeneration: Schema.Int,
  present: Schema.Boolean,
  class: Schema.NullOr(RecoveryClass),
  rootCause: Schema.NullOr(RootCauseView),
  plan: Schema.Array(PlanStepView),
  reasonCode: Schema.NullOr(ReasonCode),
  message: Nullable
}).annotate({ identifier: "RecoveryPlan" })
