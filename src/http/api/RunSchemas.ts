import { Schema } from "effect"
import { FailureClass } from "../../domain/Failure.ts"
import { triggerTypes } from "../../domain/Trigger.ts"
import { Nullable, open } from "./Fields.ts"

export const RunStatus = Schema.Literals(["pending", "running", "waiting", "succeeded", "failed", "canceled"])
/** Why a run exists. */
export const TriggerType = Schema.Literals(triggerTypes)
export const StepStatus = Schema.Literals([
  "pending",
  "running",
  "waiting",
  "succeeded",
  "failed",
  "skipped",
  "canceled"
])

/** Why something failed: everything that follows is decided by the class alone. */
export const FailureView = open({
  class: FailureClass,
  code: Schema.String,
  message: Schema.String,
  asset: Schema.optionalKey(Schema.Struct({ assetId: Schema.String, partitionKey: Nullable }))
}).annotate({ identifier: "Failure" })

/** `input`: a consumed asset is produced for the first time; `recovery`: a generation was lost. */
export const WaitingFor = open({
  type: Schema.String,
  since: Nullable,
  recoveryId: Schema.optionalKey(Schema.String),
  assetId: Schema.optionalKey(Schema.String),
  partitionKey: Schema.optionalKey(Nullable),
  store: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "WaitingFor" })

export const Step = open({
  id: Schema.String,
  status: StepStatus,
  /** Of a fan-out that has been expanded: how many of its children (steps `id[0]`, `id[1]`, …) are where. */
  children: Schema.optionalKey(
    Schema.Struct({
      ...{ total: Schema.Int, pending: Schema.Int, running: Schema.Int, waiting: Schema.Int },
      ...{ succeeded: Schema.Int, failed: Schema.Int, skipped: Schema.Int, canceled: Schema.Int }
    })
  ),
  attempt: Schema.Int,
  failure: Schema.optionalKey(FailureView),
  retryAt: Schema.optionalKey(Nullable),
  waitingFor: Schema.optionalKey(WaitingFor),
  result: Schema.optionalKey(Schema.Unknown),
  producedAssets: Schema.Array(Schema.Unknown),
  startedAt: Nullable,
  finishedAt: Nullable
}).annotate({ identifier: "Step" })

const summary = {
  id: Schema.String,
  workflow: Schema.String,
  version: Schema.Int,
  status: RunStatus,
  paused: Schema.Boolean,
  partitionKey: Nullable,
  runKey: Nullable,
  parameters: Schema.Record(Schema.String, Schema.Unknown),
  trigger: open({ type: Schema.String }),
  failure: Schema.optionalKey(FailureView),
  createdAt: Nullable,
  startedAt: Nullable,
  finishedAt: Nullable,
  streamVersion: Schema.Int
}

/** A run as lists show it: without its steps, of which a fan-out has as many as it has children. */
export const RunSummary = open(summary).annotate({ identifier: "RunSummary" })
export type RunSummary = typeof RunSummary.Type

export const Run = open({
  ...summary,
  steps: Schema.Array(Step)
}).annotate({ identifier: "Run" })
