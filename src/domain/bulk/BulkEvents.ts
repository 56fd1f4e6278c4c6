import { Schema } from "effect"

/** What is acted on. */
export const Target = Schema.Literals(["runs", "recoveries"])
export type Target = typeof Target.Type

export const runActions = ["cancel", "recover", "retry", "pause", "resume", "replay"] as const
export const recoveryActions = ["retry", "cancel", "pause", "resume"] as const
/** What is done to each. */
export const Action = Schema.Literals(runActions)
export type Action = typeof Action.Type

/** What became of one item; `code` and `message` say why it was not done. */
export const ItemResult = Schema.Struct({
  /** `skipped`: its state does not allow it. `failed`: it could not be told. */
  outcome: Schema.Literals(["done", "skipped", "failed"]),
  code: Schema.optionalKey(Schema.String),
  message: Schema.optionalKey(Schema.String),
  /** The run that a replay has started. */
  runId: Schema.optionalKey(Schema.String),
  /** It is a canary: the rest waits until it has ended. */
  watched: Schema.optionalKey(Schema.Boolean)
})
export type ItemResult = typeof ItemResult.Type

/** Stored forever. Add a field only with a decoding default; never rename. Times are in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  BulkRequested: {
    bulkId: Schema.String,
    target: Target,
    action: Action,
    /** What was asked for; the ids are what it matched then. */
    filter: Schema.Record(Schema.String, Schema.Json),
    /** The ids, in the order in which they are acted on: `PackedKeys`. */
    items: Schema.String,
    total: Schema.Int,
    /** The filter matched more than the limit let in. */
    more: Schema.Boolean,
    /** So many are done first and alone. */
    canary: Schema.Int,
    ratePerSecond: Schema.Int,
    reason: Schema.String,
    /** Who asked: each item is told in this name. */
    principal: Schema.optionalKey(Schema.String)
  },
  /** One for each item from the index `from` on. */
  BulkItemsDone: { from: Schema.Int, results: Schema.Array(ItemResult) },
  BulkCanaryEnded: {
    itemId: Schema.String,
    ended: Schema.Literals(["succeeded", "failed", "canceled"]),
    message: Schema.optionalKey(Schema.String)
  },
  /** Nothing further is begun; the items under way are finished. */
  BulkCanceled: { reason: Schema.String },
  /** `canary`: the item that did not end well while the others waited, so that they never began. */
  BulkEnded: {
    status: Schema.Literals(["succeeded", "failed", "canceled"]),
    canary: Schema.optionalKey(Schema.String)
  }
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }
