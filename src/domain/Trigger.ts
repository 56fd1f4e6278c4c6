import { Schema } from "effect"

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
  Schema.Struct({ type: Schema.Literal("manual"), by: Schema.optionalKey(Schema.String) }),
  Schema.Struct({
    type: Schema.Literal("recovery"),
    recoveryId: Schema.String,
    assetId: Schema.String,
    partitionKey: Schema.String
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
    coalesced: Schema.Int
  }),
  Schema.Struct({
    type: Schema.Literal("backfill"),
    backfillId: Schema.String,
    assetId: Schema.optionalKey(Schema.String)
  })
])
export type Trigger = typeof Trigger.Type

/** Every type of trigger, for filters and their messages. */
export const triggerTypes = ["manual", "recovery", "schedule", "auto-materialize", "backfill"] as const
