import { Context, type Effect } from "effect"
import type { AssetRef } from "../domain/Failure.ts"
import type { Location } from "../domain/Location.ts"

/** An object that the log says exists, and the asset partition whose step wrote its bytes last. */
export interface IndexedLocation extends Location, AssetRef {
  readonly generation: number
}

/**
 * From (store, key) to (asset, partition): the one read model that decisions rest on. Every answer but `recorded` is as
 * of the log's head when it was asked: it waits for the index to get there, because an older answer could name no
 * owner, or leave out a partition (DESIGN, section 2).
 */
export class LocationIndex extends Context.Service<
  LocationIndex,
  {
    readonly owner: (store: string, key: string) => Effect.Effect<AssetRef | null>
    /**
     * What is recorded of this object: as of now when the index knows it, so it may have been remade since. Only one
     * that the index does not know is waited for, and not for long: null is no proof that nobody owns it.
     */
    readonly recorded: (store: string, key: string) => Effect.Effect<Location | null>
    /** Other recorded objects with the same content. */
    readonly copies: (sha256: string) => Effect.Effect<ReadonlyArray<Location>>
    /** The newest recorded object of each key below the prefix. */
    readonly below: (store: string, keyPrefix: string) => Effect.Effect<ReadonlyArray<IndexedLocation>>
    /** Partitions of the asset that were produced and not retired since, in the order of their first production. */
    readonly partitions: (assetId: string) => Effect.Effect<ReadonlyArray<string>>
  }
>()("kintsugi/actors/LocationIndex") {}
