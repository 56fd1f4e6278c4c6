import { Schema } from "effect"
import { AssetRef } from "../Failure.ts"
import { ReasonCode } from "../recovery/RecoveryEvents.ts"
import { Finding, FindingKind, RepairKind, Scope } from "./Finding.ts"

/** Who asked for a check; `repair`: one has ended, and the check confirms it. `store`: one has come back. */
export const CheckReason = Schema.Literals(["requested", "start", "schedule", "recovery", "repair", "store"])
export type CheckReason = typeof CheckReason.Type

/** A store that could not be looked at, and how many assets were left out for it. */
export const Unreadable = Schema.Struct({ store: Schema.String, message: Schema.String, assets: Schema.Int })
export type Unreadable = typeof Unreadable.Type

/** An asset that could not be judged, and why; the check went on. */
export const Unjudged = Schema.Struct({ ...AssetRef.fields, message: Schema.String })
export type Unjudged = typeof Unjudged.Type

export const RepairTarget = Schema.Struct({
  ...AssetRef.fields,
  generation: Schema.Int,
  repair: RepairKind,
  store: Schema.optionalKey(Schema.String),
  key: Schema.optionalKey(Schema.String)
})
export type RepairTarget = typeof RepairTarget.Type

/** Stored forever. Add a field only with a decoding default; never rename. Times are in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  /** Somebody wants a check. Several that wait are one. */
  IntegrityCheckRequested: { reason: CheckReason, scope: Scope, deep: Schema.Boolean },
  /** The n-th check begins: the one that was waited for. */
  IntegrityCheckStarted: { check: Schema.Int, reason: CheckReason, scope: Scope, deep: Schema.Boolean },
  /** A batch has been looked at: up to and with `cursor`. */
  IntegrityProgressed: {
    check: Schema.Int,
    cursor: Schema.String,
    looked: Schema.Int,
    found: Schema.Array(Finding),
    /** Assets with a finding that could not be judged now: what is known of them stays. */
    kept: Schema.Array(AssetRef),
    /** Assets on which work is going on. */
    inProgress: Schema.Int,
    unreadable: Schema.Array(Unreadable),
    failed: Schema.Array(Unjudged)
  },
  /** What was in the scope, and was not found again, is in order. */
  IntegrityCheckEnded: { check: Schema.Int },
  /** Somebody should look: the finding has come back so often (F76), or nothing here can repair it. `count`: checks that found it. */
  IntegrityEscalated: {
    ...AssetRef.fields,
    ...{ kind: FindingKind, reason: Schema.String, count: Schema.Int },
    repair: Schema.optionalKey(RepairKind),
    reasonCode: Schema.optionalKey(ReasonCode)
  },
  /** What was escalated is in order again. */
  IntegrityFindingSettled: { ...AssetRef.fields },
  /** Somebody wants what this check finds to be repaired when it has ended. `claim`: whose repair it is. */
  IntegrityRepairAwaited: { check: Schema.Int, claim: Schema.optionalKey(Schema.String) },
  /** The recoveries of these are asked for. */
  IntegrityRepairRequested: {
    repair: Schema.Int,
    recheckNames: Schema.Array(Schema.String),
    reprocessNames: Schema.Array(Schema.String),
    targets: Schema.Array(RepairTarget)
  },
  /** Every recovery that was asked for has ended; a check follows. */
  IntegrityRepairEnded: { repair: Schema.Int, healed: Schema.Int, failed: Schema.Int }
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }
