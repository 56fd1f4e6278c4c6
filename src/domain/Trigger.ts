import { Schema } from "effect"
import * as Id from "./Id.ts"

/**
 * For whom something was made because a step waited for it: the partition of a workflow, or the whole workflow where
 * it was made for the first time. What follows from it is no update to them, or pulling and pushing would never end.
 */
export const PulledFor = Schema.Array(
  Schema.Struct({ workflow: Schema.String, partitionKey: Schema.optionalKey(Schema.String) })
)
export type PulledFor = typeof PulledFor.Type

/** Entries that are kept. */
export const pulledForMax = 100

/** Whether it was made for this partition of the workflow ("": a run without one). */
export const isPulledFor = (pulledFor: PulledFor | undefined, workflow: string, partitionKey: string): boolean =>
  pulledFor?.some(
    (who) =>
      who.workflow === workflow &&
      (who.partitionKey === undefined || Id.partitionKey(who.partitionKey) === Id.partitionKey(partitionKey))
  ) === true

/** The production that an automatic run answers. */
const Upstream = Schema.Struct({
  assetId: Schema.String,
  partitionKey: Schema.optionalKey(Schema.String),
  generation: Schema.Int,
  workflow: Schema.optionalKey(Schema.String),
  runId: Schema.optionalKey(Schema.String),
  /** Who announced it, when no run of ours made it. */
  source: Schema.optionalKey(Schema.String)
})

/** Why a run exists. Every automatic run says so with a type of its own (F59, T24). */
export const Trigger = Schema.Union([
  /** `replayOf`, `forkOf`: the run that it was made from; `fromStep`: the step from which a fork executes. */
  Schema.Struct({
    type: Schema.Literal("manual"),
    by: Schema.optionalKey(Schema.String),
    replayOf: Schema.optionalKey(Schema.String),
    forkOf: Schema.optionalKey(Schema.String),
    fromStep: Schema.optionalKey(Schema.String)
  }),
  Schema.Struct({
    type: Schema.Literal("recovery"),
    recoveryId: Schema.String,
    assetId: Schema.String,
    partitionKey: Schema.String,
    pulledFor: Schema.optionalKey(PulledFor)
  }),
  /** `occurrence`: the ISO time at which the run was due. */
  Schema.Struct({ type: Schema.Literal("schedule"), cron: Schema.String, occurrence: Schema.String }),
  /** `stale`: somebody marked the asset as stale. `coalesced`: how many updates this one run answers. */
  Schema.Struct({
    type: Schema.Literal("auto-materialize"),
    reason: Schema.Literals(["upstream-update", "expiry", "stale"]),
    expiry: Schema.optionalKey(Schema.Literals(["ttl", "cadence"])),
    assetId: Schema.String,
    partitionKey: Schema.optionalKey(Schema.String),
    upstream: Schema.optionalKey(Upstream),
    coalesced: Schema.Int,
    pulledFor: Schema.optionalKey(PulledFor)
  }),
  Schema.Struct({
    type: Schema.Literal("backfill"),
    backfillId: Schema.String,
    assetId: Schema.optionalKey(Schema.String)
  })
])
export type Trigger = typeof Trigger.Type

/** Whom the run is for, of those whose steps wait; none: it was started by hand, by the clock, or by an update. */
export const pulledForOf = (trigger: Trigger): PulledFor =>
  trigger.type === "recovery" || trigger.type === "auto-materialize" ? (trigger.pulledFor ?? []) : []

/** Every type of trigger, for filters and their messages. */
export const triggerTypes = ["manual", "recovery", "schedule", "auto-materialize", "backfill"] as const
