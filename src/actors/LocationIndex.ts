import { Context, type Effect } from "effect"
import type { AssetRef } from "../domain/Failure.ts"
import type { Location } from "../domain/Location.ts"

/** An object that the log says exists, and the asset partition whose step wrote its bytes last. */
export interface IndexedLocation extends Location, AssetRef {
  readonly generation: number
}

/**
 * From (store, key) to (asset, partition): the one read model that decisions rest on. Every answer is as of the log's
 * head when it was asked: it waits for the index to get there, because an older answer could name no owner, or leave
 * out a partition (DESIGN, section 2).
 */
export class LocationIndex extends Context.Service<
  LocationIndex,
  {
    readonly owner: (store: string, key: string) => Effect.Effect<AssetRef | null>
    /** Other recorded objects with the same content. */
    readonly copies: (sha256: string) => Effect.Effect<ReadonlyArray<Location>>
    /** The newest recorded object of each key below the prefix. */
    readonly below: (store: string, keyPrefix: string) => Effect.Effect<ReadonlyArray<IndexedLocation>>
    /** Every partition of the asset that was ever produced. */
    readonly partitions: (assetId: string) => Effect.Effect<ReadonlyArray<string>>
  }
>()("kintsugi/actors/LocationIndex") {}
