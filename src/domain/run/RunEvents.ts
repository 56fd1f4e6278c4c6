import { Schema } from "effect"
import type { Definition } from "../Definition.ts"
import { Failure } from "../Failure.ts"
import { ObservedRead, Produced, UsedInput } from "../Production.ts"
import { Trigger } from "../Trigger.ts"

/** What a step waits for. `input`: a consumed asset is produced for the first time; `recovery`: a generation was lost. */
export const WaitingFor = Schema.Struct({
  type: Schema.Literals(["recovery", "input", "store"]),
  recoveryId: Schema.optionalKey(Schema.String),
  assetId: Schema.optionalKey(Schema.String),
  partitionKey: Schema.optionalKey(Schema.String),
  store: Schema.optionalKey(Schema.String)
})
export type WaitingFor = typeof WaitingFor.Type

/** Who asked for a run and is told how it ended. */
export const Listener = Schema.Literals(["recovery", "runKey", "materialization", "backfill"])
export type Listener = typeof Listener.Type

/** An object of a store. */
export const ObjectRef = Schema.Struct({ store: Schema.String, key: Schema.String })
export type ObjectRef = typeof ObjectRef.Type

const stepAttempt = { stepId: Schema.String, attempt: Schema.Int }

/** Stored forever. Add a field only with a decoding default; never rename. Times are in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  RunRequested: {
    runId: Schema.String,
    workflow: Schema.String,
    version: Schema.Int,
    parameters: Schema.Record(Schema.String, Schema.Unknown),
    partitionKey: Schema.optionalKey(Schema.String),
    runKey: Schema.optionalKey(Schema.String),
    trigger: Trigger,
    priority: Schema.optionalKey(Schema.Int),
    /** Only these steps execute; the others are skipped as not needed, with `results` where they are known. */
    only: Schema.optionalKey(Schema.Array(Schema.String)),
    results: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown))
  },
  /** The slot has been granted and an attempt begins; `attempt` counts every execution begun. */
  StepStarted: { ...stepAttempt, inputs: Schema.optionalKey(Schema.Array(UsedInput)) },
  /**
   * A fan-out has its children, one an item. `only`: the places of the items, where not all of them are there; otherwise
   * they are 0 and on.
   */
  StepExpanded: {
    ...stepAttempt,
    items: Schema.Array(Schema.Unknown),
    only: Schema.optionalKey(Schema.Array(Schema.Int))
  },
  StepSucceeded: {
    ...stepAttempt,
    result: Schema.optionalKey(Schema.Unknown),
    produced: Schema.optionalKey(Schema.Array(Produced)),
    reads: Schema.optionalKey(Schema.Array(ObservedRead)),
    /** `store/key` of writes that belong to no asset: reported, not lost silently. */
    unowned: Schema.optionalKey(Schema.Array(Schema.String))
  },
  /**
   * The attempt is about to write over, or delete, these objects, which the log records: until the step's outputs are
   * recorded their bytes may be neither the recorded ones nor somebody else's.
   */
  StepOverwriting: { ...stepAttempt, objects: Schema.Array(ObjectRef) },
  /** What the step's attempts had written over recorded objects and not recorded is no longer in their place. */
  StepLeftOversMoved: { stepId: Schema.String },
  /** Every Asset has recorded what the step produced; only now is the step finished for its dependants. */
  StepOutputsRecorded: { ...stepAttempt, generations: Schema.Array(UsedInput) },
  /** `final`: no retry and no wait follows, and the step has failed. */
  StepFailed: { ...stepAttempt, failure: Failure, final: Schema.Boolean },
  /** `retry`: how many attempts have ended as transient so far. */
  StepRetryScheduled: {
    ...stepAttempt,
    retry: Schema.Int,
    delayMs: Schema.Int,
    dueAt: Schema.Int,
    reason: Schema.String
  },
  StepSuspended: { ...stepAttempt, waitingFor: WaitingFor, deadlineAt: Schema.optionalKey(Schema.Int) },
  StepResumed: {
    stepId: Schema.String,
    reason: Schema.String,
    recoveryId: Schema.optionalKey(Schema.String),
    /** With a fresh budget. */
    fresh: Schema.optionalKey(Schema.Boolean)
  },
  StepSkipped: {
    stepId: Schema.String,
    reason: Schema.String,
    result: Schema.optionalKey(Schema.Unknown),
    /** An operator skipped it; true: although it may not be optional. Absent: the run was asked for without it. */
    forced: Schema.optionalKey(Schema.Boolean),
    /** Of a fan-out: its children that have not finished are skipped with it. */
    children: Schema.optionalKey(Schema.Boolean)
  },
  RunSucceeded: {},
  RunFailed: { stepId: Schema.String, failure: Failure },
  RunCanceled: { reason: Schema.String },
  /** Attempts were cut off: by a crash, or by a drain (which is not counted against the crash limit). */
  RunInterrupted: {
    reason: Schema.Literals(["crash", "drain"]),
    processId: Schema.String,
    steps: Schema.Array(Schema.Struct(stepAttempt))
  },
  /**
   * A failed run goes on in place: `kept` steps keep their results, `rerun` steps are done again. `fresh`: those of them
   * that get a fresh budget; absent: all.
   */
  RunRecovered: {
    kept: Schema.Array(Schema.String),
    rerun: Schema.Array(Schema.String),
    fresh: Schema.optionalKey(Schema.Array(Schema.String))
  },
  /**
   * The run goes on in place from a checkpoint: `kept` had finished by then, `rerun` is done again with a fresh budget.
   * `superseded`: executions after the checkpoint that ended well; what they produced counts no more for this run.
   */
  RunRestored: {
    checkpoint: Schema.Int,
    kept: Schema.Array(Schema.String),
    rerun: Schema.Array(Schema.String),
    superseded: Schema.Array(Schema.Struct(stepAttempt))
  },
  /** No step of the run begins until it is resumed. */
  RunPaused: { reason: Schema.String },
  RunResumed: {},
  /** The run waits for something that needs a human look; once a wait. */
  RunAttentionRaised: { stepId: Schema.String, reason: Schema.String },
  /** Who asked for this run has been told how it ended. */
  RunOutcomeDelivered: { to: Listener }
})
export type Stored = typeof Event.Type

/**
 * An event with its time (epoch ms by the writer's clock, stored in the envelope). A `RunRequested` carries the pinned
 * definition in memory; the log stores its slug and version only, and whoever decodes it looks the definition up.
 */
export type Event =
  | (Exclude<Stored, { readonly _tag: "RunRequested" }> & { readonly at: number })
  | (Extract<Stored, { readonly _tag: "RunRequested" }> & { readonly at: number; readonly definition: Definition })
