import { Schema } from "effect"
import { Failure } from "../Failure.ts"
import { PulledFor } from "../Trigger.ts"

const Reason = Schema.Literals(["upstream-update", "expiry", "stale"])

/** What happened to an asset that asks for an automatic run. `position`: of the event in the log. */
export const Cause = Schema.Struct({
  reason: Reason,
  expiry: Schema.optionalKey(Schema.Literals(["ttl", "cadence"])),
  assetId: Schema.String,
  partitionKey: Schema.String,
  generation: Schema.Int,
  /** Who made the generation. */
  workflow: Schema.optionalKey(Schema.String),
  runId: Schema.optionalKey(Schema.String),
  /** Who announced it, when no run of ours made it. */
  source: Schema.optionalKey(Schema.String),
  position: Schema.String,
  /** For whom it was made because a step waited for it; handed on to what follows. */
  pulledFor: Schema.optionalKey(PulledFor)
})
export type Cause = typeof Cause.Type

/** Why a run that is asked for does not start yet. */
export const HeldBy = Schema.Literals(["cool-down", "quiet-hours", "cycle"])
export type HeldBy = typeof HeldBy.Type

const subject = { workflow: Schema.String, partitionKey: Schema.String }

/** Stored forever. Add a field only with a decoding default; never rename. Times are in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  /** A run is asked for; what is asked for while one waits or executes is one run more, whatever its number. */
  MaterializationRequested: {
    ...subject,
    cause: Cause,
    /** Updates that this request stands for. */
    count: Schema.Int,
    priority: Schema.Int,
    /** The update came round a cycle that is allowed: it is damped. */
    cyclic: Schema.Boolean
  },
  /** What was asked for does not start before `until` (epoch ms). */
  MaterializationHeld: { until: Schema.Int, by: HeldBy },
  MaterializationStarted: {
    ...subject,
    runId: Schema.String,
    sequence: Schema.Int,
    cause: Cause,
    count: Schema.Int,
    priority: Schema.Int
  },
  /** The run is in the log. */
  MaterializationLaunched: { runId: Schema.String },
  /** `coolUntil`: after a failure nothing starts before; `retries`: the failed run is repeated then by itself. */
  MaterializationEnded: {
    runId: Schema.String,
    /** Why it ran. */
    reason: Reason,
    outcome: Schema.Literals(["succeeded", "failed", "canceled"]),
    failure: Schema.optionalKey(Failure),
    failures: Schema.Int,
    coolUntil: Schema.optionalKey(Schema.Int),
    retries: Schema.Boolean
  },
  /** An update that starts no run, and why. */
  MaterializationSkipped: { ...subject, cause: Cause, why: Schema.String }
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }
