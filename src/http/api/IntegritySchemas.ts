import { Schema } from "effect"
import { scopeAssetsMax } from "../../domain/integrity/Finding.ts"
import { CheckReason, Unreadable } from "../../domain/integrity/IntegrityEvents.ts"
import { FindingKind } from "../../domain/integrity/Finding.ts"
import { ReasonCode, RecoveryClass } from "../../domain/recovery/RecoveryEvents.ts"
import { AssetId, Nullable, PartitionKey, Text } from "./Fields.ts"

/** `targets`: root causes by name; none when nothing can be queued, and `reason` says why. `count`: checks that found it. */
export const Finding = Schema.Struct({
  assetId: Schema.String,
  partitionKey: Nullable,
  kind: FindingKind,
  action: RecoveryClass,
  targets: Schema.Array(Schema.String),
  reason: Schema.String,
  reasonCode: Schema.optionalKey(ReasonCode),
  since: Schema.String,
  count: Schema.Int,
  escalated: Schema.Boolean
}).annotate({ identifier: "Finding" })

const scope = {
  partitionKey: Schema.optionalKey(PartitionKey),
  store: Schema.optionalKey(Text(63))
}

/** What a check looks at; everything when it is left out or empty. */
const AskedScope = Schema.Struct({
  assetIds: Schema.optionalKey(
    Schema.Array(AssetId).check(
      Schema.isMinLength(1, { message: "must list at least one asset" }),
      Schema.isMaxLength(scopeAssetsMax, { message: `must list at most ${scopeAssetsMax} assets` })
    )
  ),
  ...scope
})

export const CheckRequest = Schema.Struct({
  scope: Schema.optionalKey(AskedScope),
  /** Compare the bytes' checksums, too. */
  deep: Schema.optionalKey(Schema.Boolean)
})

const Scope = Schema.Struct({ assetIds: Schema.optionalKey(Schema.Array(Schema.String)), ...scope })

/** `looked`: assets so far; `inProgress`: those on which somebody works; `omitted`: findings beyond 10,000. */
const Check = Schema.Struct({
  check: Schema.Int,
  reason: CheckReason,
  scope: Scope,
  deep: Schema.Boolean,
  startedAt: Schema.String,
  endedAt: Nullable,
  looked: Schema.Int,
  inProgress: Schema.Int,
  omitted: Schema.Int,
  unreadable: Schema.Array(Unreadable),
  failedCount: Schema.Int,
  failed: Schema.Array(Schema.Struct({ assetId: Schema.String, partitionKey: Nullable, message: Schema.String }))
})

export const CacheState = Schema.Literals(["cold", "fresh", "stale", "refresh_queued", "refresh_running"])

const standing = {
  state: CacheState,
  /** Checks that have ended. */
  generation: Schema.Int,
  checkedAt: Nullable,
  inProgress: Schema.Boolean,
  running: Schema.NullOr(Check),
  last: Schema.NullOr(Check)
}

/** Where checks and repairs stand. */
export const Integrity = Schema.Struct({ ...standing, findings: Schema.Int }).annotate({ identifier: "Integrity" })

export const Findings = Schema.Struct({ data: Schema.Array(Finding), nextCursor: Nullable, ...standing })

/** What a repair has queued: nothing while another is under way. `findings`: the first 1,000. */
export const Repair = Schema.Struct({
  recheckNames: Schema.Array(Schema.String),
  reprocessNames: Schema.Array(Schema.String),
  inProgress: Schema.Boolean,
  findings: Schema.Array(Finding)
})
