import { Schema } from "effect"
import { AssetRef, Failure } from "../Failure.ts"

/** Why a recovery cannot succeed: a closed list (CONTRACT, section 4). */
export const ReasonCode = Schema.Literals([
  "source_asset",
  "no_producer",
  "producer_gone",
  "parameters_unknown",
  "not_idempotent",
  "budget_exhausted",
  "ceiling_reached",
  "deadline_exceeded",
  "cycle",
  "output_absent",
  "output_corrupt",
  "disabled",
  "canceled"
])
export type ReasonCode = typeof ReasonCode.Type
export const isReasonCode = Schema.is(ReasonCode)

/** `reprocess`: every input of the producing step was there. `recheck`: it has none, or one had to be restored first. */
export const RecoveryClass = Schema.Literals(["recheck", "reprocess"])
export type RecoveryClass = typeof RecoveryClass.Type

/** One thing to remake, and why; a plan lists them in the order in which they run. */
export const PlanStep = Schema.Struct({
  ...AssetRef.fields,
  class: RecoveryClass,
  workflow: Schema.String,
  /** `*`: every step, of a workflow that asks a source. */
  step: Schema.String,
  why: Schema.String,
  /** Origin of the webhook that is called instead of a workflow, which then is "". */
  webhook: Schema.optionalKey(Schema.String)
})
export type PlanStep = typeof PlanStep.Type

export const RootCause = Schema.Struct({ ...AssetRef.fields, why: Schema.String })
export type RootCause = typeof RootCause.Type

/** The run that remakes the asset: which step of which version, with the recorded parameters. */
export const Producer = Schema.Struct({
  workflow: Schema.String,
  version: Schema.Int,
  stepId: Schema.String,
  parameters: Schema.Record(Schema.String, Schema.Unknown),
  partitionKey: Schema.optionalKey(Schema.String),
  /** Recorded results of the other steps. */
  results: Schema.Record(Schema.String, Schema.Unknown),
  /** The recorded item, where the step is one child of a fan-out. */
  item: Schema.optionalKey(Schema.Unknown),
  /** The steps before it, which also run when it misses something that belongs to no asset. */
  before: Schema.Array(Schema.String)
})
export type Producer = typeof Producer.Type

/** How the source of an asset that no workflow makes is asked for it: a workflow is run whole, or a webhook is called. */
export const Recheck = Schema.Literals(["workflow", "webhook"])
export type Recheck = typeof Recheck.Type

export const Waiter = Schema.Union([
  Schema.Struct({ runId: Schema.String, stepId: Schema.String }),
  Schema.Struct({ recoveryId: Schema.String })
])
export type Waiter = typeof Waiter.Type

/** Stored forever. Add a field only with a decoding default; never rename. Times are in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  /** `round` 1 opens the recovery, a later one reopens it with a fresh budget. */
  RecoveryRequested: {
    recoveryId: Schema.String,
    ...AssetRef.fields,
    lostGeneration: Schema.Int,
    round: Schema.Int,
    priority: Schema.Int,
    /** The generation is not lost, it is too old for a consumer: it is made again although it is there. */
    refresh: Schema.optionalKey(Schema.Boolean),
    /** The newest version of the producing workflow when it was asked for: a newer one reopens it. */
    producerVersion: Schema.optionalKey(Schema.Int)
  },
  /** `priority`: the recovery takes it over from this waiter, because it is better than its own. */
  RecoveryWaiterJoined: { waiter: Waiter, priority: Schema.optionalKey(Schema.Int) },
  RecoveryPlanned: {
    class: RecoveryClass,
    rootCause: RootCause,
    plan: Schema.Array(PlanStep),
    /** With a webhook nothing runs: then its texts are empty. */
    producer: Producer,
    /** A declared source is asked, and announces the asset itself; absent: a producer makes it. */
    recheck: Schema.optionalKey(Recheck),
    /** Recoveries of missing inputs, which have to end first. */
    parents: Schema.Array(Schema.String),
    maxAttempts: Schema.Int,
    attemptTimeoutMs: Schema.Int
  },
  RecoveryParentSettled: { recoveryId: Schema.String, failure: Schema.optionalKey(Failure) },
  /** Attempt n is counted, then begun; without `producerRunId` it is the call of a webhook. */
  RecoveryScheduled: {
    attempt: Schema.Int,
    producerRunId: Schema.optionalKey(Schema.String),
    only: Schema.Array(Schema.String)
  },
  /** The producer's run was requested, or the webhook has taken the call. */
  RecoveryAttemptStarted: { attempt: Schema.Int },
  RecoveryProducerEnded: { attempt: Schema.Int },
  /** `dueAt`: when the next attempt may begin; absent when there is none. */
  RecoveryAttemptFailed: {
    attempt: Schema.Int,
    failure: Failure,
    dueAt: Schema.optionalKey(Schema.Int),
    widen: Schema.optionalKey(Schema.Boolean)
  },
  /** `producer`: a run remade it, or its source announced it anew. `copy`: copied back from another location. `found`: it was there after all. */
  RecoverySucceeded: {
    via: Schema.Literals(["producer", "copy", "found"]),
    generation: Schema.Int,
    contentChanged: Schema.Boolean
  },
  RecoveryFailed: { reasonCode: ReasonCode, failure: Failure, rootCause: Schema.optionalKey(RootCause) },
  /** It begins no attempt until it is resumed; its waiters wait. */
  RecoveryPaused: { reason: Schema.String },
  RecoveryResumed: {},
  /** The first `released` waiters, in the order in which they joined, have been told. */
  RecoveryWaitersReleased: { released: Schema.Int }
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }
