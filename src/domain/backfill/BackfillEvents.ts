import { Schema } from "effect"
import { Failure } from "../Failure.ts"

/** How the run of one partition ended; `skipped`: it was not needed, for the partition was there. */
export const Outcome = Schema.Literals(["succeeded", "failed", "canceled", "skipped"])
export type Outcome = typeof Outcome.Type

/** Stored forever. Add a field only with a decoding default; never rename. Times are in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  BackfillRequested: {
    backfillId: Schema.String,
    workflow: Schema.String,
    assetId: Schema.optionalKey(Schema.String),
    /** Which partitions, in the order in which they run: `PackedKeys`. */
    partitions: Schema.String,
    total: Schema.Int,
    concurrency: Schema.Int,
    /** This many run first and alone. */
    canary: Schema.Int,
    parameters: Schema.Record(Schema.String, Schema.Json),
    /** A partition whose asset is there when its turn comes is skipped. */
    onlyMissing: Schema.Boolean,
    reason: Schema.String
  },
  /** The turn of these partitions has come: `count` from the index `from` on. Their runs are put into the log now. */
  BackfillRunsStarted: { from: Schema.Int, count: Schema.Int },
  /** A run can end again: one that failed and is recovered succeeds after all. */
  BackfillRunEnded: {
    index: Schema.Int,
    partitionKey: Schema.String,
    runId: Schema.String,
    outcome: Outcome,
    failure: Schema.optionalKey(Failure)
  },
  /** No further run starts; those under way go on. */
  BackfillPaused: { reason: Schema.String },
  BackfillResumed: {},
  /** No further run starts, and those under way are canceled. */
  BackfillCanceled: { reason: Schema.String },
  /** `canary`: the partition that failed while it ran alone, so that the others never began. */
  BackfillFinished: {
    status: Schema.Literals(["succeeded", "failed", "canceled"]),
    canary: Schema.optionalKey(Schema.String)
  }
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }
