import { Schema } from "effect"
import { assetName, AssetRef } from "../Failure.ts"
import * as Id from "../Id.ts"
import { ReasonCode, RecoveryClass } from "../recovery/RecoveryEvents.ts"

/**
 * What is wrong with an asset partition (F69). `blocked`: it is gone, and so is something that it is made from.
 * `never_produced`: it is declared, and nobody ever made it.
 */
export const FindingKind = Schema.Literals(["missing", "stale", "malformed", "blocked", "never_produced"])
export type FindingKind = typeof FindingKind.Type

/**
 * What a repair does: have it made again (`recover`), have it made again although it is there (`refresh`), move wrong
 * bytes aside first (`quarantine`), or nothing, because there is no way that would help (`none`).
 */
export const RepairKind = Schema.Literals(["recover", "refresh", "quarantine", "none"])
export type RepairKind = typeof RepairKind.Type

/** One thing that a repair would remake, by name. */
export const PlannedName = Schema.Struct({ name: Schema.String, class: RecoveryClass })
export type PlannedName = typeof PlannedName.Type

/** Names that one finding keeps of its plan, and targets that it names: what else is gone has a finding of its own. */
export const namesMax = 20

/** Longest reason, in UTF-16 units. */
export const reasonLengthMax = 1_000

/** What one check says of one asset partition. */
export const Finding = Schema.Struct({
  ...AssetRef.fields,
  kind: FindingKind,
  action: RecoveryClass,
  /** The root causes, by name: what has to be made first. None: nothing can be queued, and `reason` says why. */
  targets: Schema.Array(Schema.String),
  reason: Schema.String,
  /** The generation that was judged; 0: never produced. */
  generation: Schema.Int,
  repair: RepairKind,
  plan: Schema.Array(PlannedName),
  /** Why it cannot be recovered. */
  reasonCode: Schema.optionalKey(ReasonCode),
  /** Of the part that is absent or wrong. */
  store: Schema.optionalKey(Schema.String),
  key: Schema.optionalKey(Schema.String)
})
export type Finding = typeof Finding.Type

/** What a finding is known by from check to check: an asset partition has at most one. */
export const keyOf = ({ assetId, partitionKey }: AssetRef): string =>
  `${Id.assetKey(assetId)}\n${Id.partitionKey(partitionKey)}`

/** What a check looks at; `{}`: everything. */
export const Scope = Schema.Struct({
  /** At most 100. */
  assetIds: Schema.optionalKey(Schema.Array(Schema.String)),
  partitionKey: Schema.optionalKey(Schema.String),
  /** Assets with a part in this store. */
  store: Schema.optionalKey(Schema.String)
})
export type Scope = typeof Scope.Type

/** Assets that a scope names; more are everything. */
export const scopeAssetsMax = 100

export const isInScope = (scope: Scope, finding: AssetRef & { readonly store?: string | undefined }): boolean => {
  const { assetIds, partitionKey, store } = scope
  if (assetIds !== undefined && !assetIds.some((id) => Id.assetKey(id) === Id.assetKey(finding.assetId))) return false
  if (partitionKey !== undefined && Id.partitionKey(partitionKey) !== Id.partitionKey(finding.partitionKey)) {
    return false
  }
  return store === undefined || finding.store === store
}

/** One scope that has all of both. */
export const merged = (one: Scope, other: Scope): Scope => {
  if (JSON.stringify(one) === JSON.stringify(other)) return one
  const isOfAssets = (scope: Scope) => scope.partitionKey === undefined && scope.store === undefined
  if (one.assetIds === undefined || other.assetIds === undefined || !isOfAssets(one) || !isOfAssets(other)) return {}
  const assetIds = [...new Map([...one.assetIds, ...other.assetIds].map((id) => [Id.assetKey(id), id])).values()]
  return assetIds.length > scopeAssetsMax ? {} : { assetIds }
}

/** The names that a repair of these findings remakes; what is to be rechecked once is not reprocessed (F17). */
export const namesOf = (findings: ReadonlyArray<Finding>) => {
  const classes = new Map<string, RecoveryClass>()
  const add = (name: string, recoveryClass: RecoveryClass) => {
    if (classes.get(name) !== "recheck") classes.set(name, recoveryClass)
  }
  for (const finding of findings) {
    for (const planned of finding.plan) add(planned.name, planned.class)
    // A plan that was cut off still names the asset itself.
    if (finding.repair !== "none") add(assetName(finding), finding.action)
  }
  const of = (wanted: RecoveryClass) =>
    [...classes].flatMap(([name, recoveryClass]) => (recoveryClass === wanted ? [name] : [])).sort()
  return { recheckNames: of("recheck"), reprocessNames: of("reprocess") }
}
