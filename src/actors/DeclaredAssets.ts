import { Clock, Effect } from "effect"
import type { AssetRef } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import { type Scope, scopeAssetsMax } from "../domain/integrity/Finding.ts"
import * as TimeWindow from "../domain/TimeWindow.ts"
import { AssetInventory } from "./AssetInventory.ts"
import { Definitions, partitioningOf } from "./Definitions.ts"

/** Where a page of declared partitions begins: the asset without case, and how many of its keys were looked at. */
export interface DeclaredMark {
  readonly assetKey: string
  readonly index: number
}

/** Partitions that are declared, whether or not anybody made them, page by page in the order of their assets. */
export const make = Effect.gen(function* () {
  const definitions = yield* Definitions
  const inventory = yield* AssetInventory

  /** Each declared asset once, by its id without case. */
  const declared = (scope: Scope): ReadonlyArray<readonly [assetKey: string, assetId: string]> => {
    const ids = new Map<string, string>()
    for (const { definition } of definitions.all()) {
      for (const { produces } of definition.steps) {
        for (const { assetId } of produces) ids.set(Id.assetKey(assetId), assetId)
      }
    }
    const wanted =
      scope.assetIds === undefined ? null : new Set(scope.assetIds.slice(0, scopeAssetsMax).map(Id.assetKey))
    return [...ids].filter(([key]) => wanted?.has(key) ?? true).sort(([one], [other]) => (one < other ? -1 : 1))
  }

  /** The keys that the definition itself names: [""] for an asset without partitions, none where only runs name them. */
  const keysOf = (assetId: string, now: number): ReadonlyArray<string> => {
    const partitioning = partitioningOf(definitions, assetId)
    switch (partitioning?.type) {
      case undefined:
        return [""]
      case "static":
        return partitioning.keys
      case "timeWindow": {
        const { lookbackWindows = 0 } = partitioning
        // The current window has not ended: what it will hold is not due yet.
        return TimeWindow.windowsBack(partitioning, now, lookbackWindows)
          .slice(1)
          .map(({ key }) => key)
      }
      case "dynamic":
        return []
    }
  }

  /** Up to `limit` declared partitions behind the mark that nobody made, and where the next page begins. */
  const page = Effect.fnUntraced(function* (after: DeclaredMark, limit: number, scope: Scope) {
    const now = yield* Clock.currentTimeMillis
    const never: Array<AssetRef> = []
    let looked = 0
    for (const [assetKey, assetId] of declared(scope)) {
      if (assetKey < after.assetKey) continue
      const isPartitioned = partitioningOf(definitions, assetId) !== undefined
      const from = assetKey === after.assetKey ? after.index : 0
      const all = keysOf(assetId, now)
      const keys = all
        .slice(from, from + limit - looked)
        .filter(
          (key) => scope.partitionKey === undefined || Id.partitionKey(scope.partitionKey) === Id.partitionKey(key)
        )
      const end = Math.min(all.length, from + limit - looked)
      looked += end - from
      if (keys.length > 0) {
        // A run with a partition key may make an asset that declares no partitions: any of them will do.
        const recorded = yield* inventory.recorded(assetId, isPartitioned ? keys.map(Id.partitionKey) : null)
        const missing = isPartitioned
          ? keys.filter((key) => !recorded.has(Id.partitionKey(key)))
          : recorded.size > 0
            ? []
            : keys
        never.push(...missing.map((partitionKey) => ({ assetId, partitionKey })))
      }
      if (looked >= limit) return { never, looked, next: { assetKey, index: end } satisfies DeclaredMark }
    }
    return { never, looked, next: null }
  })

  return { page }
})
