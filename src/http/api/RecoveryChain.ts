import { Schema } from "effect"
import { ReasonCode, RecoveryClass } from "../../domain/recovery/RecoveryEvents.ts"
import { Nullable } from "./Fields.ts"

/** When, and where in the log. */
const place = { position: Schema.String, at: Schema.String }
const Place = Schema.Struct(place)
const asset = { assetId: Schema.String, partitionKey: Nullable }

/** One event that had a part in it, in words. */
export const TimelineEntry = Schema.Struct({
  ...place,
  kind: Schema.Literals([
    ...(["lost", "requested", "joined", "waiting", "planned", "input", "scheduled", "ran"] as const),
    ...(["attempt_failed", "succeeded", "failed", "released", "resumed"] as const)
  ]),
  stream: Schema.String,
  /** The recovery on whose account it is told. */
  recoveryId: Schema.String,
  text: Schema.String
}).annotate({ identifier: "TimelineEntry" })
export type TimelineEntry = typeof TimelineEntry.Type

const Resumed = Schema.Struct({ ...place, reason: Schema.String })

const Waiter = Schema.Union([
  Schema.Struct({
    runId: Schema.String,
    stepId: Schema.String,
    joined: Place,
    suspended: Schema.NullOr(Place),
    resumed: Schema.NullOr(Resumed)
  }),
  Schema.Struct({
    recoveryId: Schema.String,
    joined: Place,
    suspended: Schema.NullOr(Place),
    resumed: Schema.NullOr(Resumed)
  })
])

const Attempt = Schema.Struct({
  attempt: Schema.Int,
  /** null: the webhook of its source was called. */
  producerRunId: Schema.NullOr(Schema.String),
  scheduled: Place,
  /** `steps`: those that executed. */
  run: Schema.NullOr(
    Schema.Struct({
      id: Schema.String,
      workflow: Schema.String,
      status: Schema.Literals(["running", "succeeded", "failed", "canceled"]),
      steps: Schema.Array(Schema.String),
      began: Place,
      ended: Schema.NullOr(Place)
    })
  ),
  failure: Nullable
})

const Outcome = Schema.Struct({
  ...place,
  status: Schema.Literals(["succeeded", "failed"]),
  via: Schema.NullOr(Schema.Literals(["producer", "copy", "found"])),
  generation: Schema.NullOr(Schema.Int),
  contentChanged: Schema.NullOr(Schema.Boolean),
  reasonCode: Schema.NullOr(ReasonCode),
  failure: Nullable
})

/**
 * A recovery from the loss to the last step that went on. `recoveries`: the one that was asked for, then those of missing
 * inputs that it waited for, at any depth; `isComplete` is false when there are more than 50. `waiters`: the first 100.
 */
export const RecoveryChain = Schema.Struct({
  id: Schema.String,
  recoveries: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      ...asset,
      lostGeneration: Schema.Int,
      /** What was found to be gone, and who noticed (`run/step`); null: nothing was there that could be lost. */
      lost: Schema.NullOr(
        Schema.Struct({
          ...place,
          reason: Schema.Literals(["missing", "corrupt"]),
          store: Nullable,
          key: Nullable,
          reportedBy: Nullable
        })
      ),
      rootCause: Schema.NullOr(Schema.Struct({ ...place, ...asset, why: Schema.String, class: RecoveryClass })),
      parents: Schema.Array(
        Schema.Struct({ recoveryId: Schema.String, settled: Schema.NullOr(Place), failure: Nullable })
      ),
      attempts: Schema.Array(Attempt),
      waiterCount: Schema.Int,
      waiters: Schema.Array(Waiter),
      outcome: Schema.NullOr(Outcome)
    })
  ),
  timeline: Schema.Array(TimelineEntry),
  isComplete: Schema.Boolean
}).annotate({ identifier: "RecoveryChain" })
export type RecoveryChain = typeof RecoveryChain.Type
