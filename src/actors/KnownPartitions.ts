import { Context, Effect, Layer } from "effect"
import type { AssetRef } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import type { Known } from "../domain/PartitionMapping.ts"
import { LocationIndex } from "./LocationIndex.ts"

/**
 * The partitions that were produced, and not retired since, of the assets that somebody asks about, in memory: read
 * once, then kept current by who follows the log.
 */
export class KnownPartitions extends Context.Service<
  KnownPartitions,
  {
    /** In the order of their first production, as far as that is known. */
    readonly of: (assetId: string) => Effect.Effect<Known>
    /** Takes in one production; nothing is kept of assets that nobody asked about. */
    readonly note: (produced: AssetRef) => void
    /** These are no partitions any more. */
    readonly retire: (assetId: string, keys: ReadonlyArray<string>) => void
    /** Everything is read anew when it is next asked about. */
    readonly forget: () => void
  }
>()("kintsugi/actors/KnownPartitions") {
  static readonly layer = Layer.effect(
    KnownPartitions,
    Effect.gen(function* () {
      const index = yield* LocationIndex
      // Each key as it was first written, by what it is compared as.
      const byAsset = new Map<string, Map<string, string>>()
      const add = (keys: Map<string, string>, partitionKey: string) => {
        const compared = Id.partitionKey(partitionKey)
        if (!keys.has(compared)) keys.set(compared, partitionKey)
      }
      return KnownPartitions.of({
        of: Effect.fnUntraced(function* (assetId: string) {
          const key = Id.assetKey(assetId)
          let keys = byAsset.get(key)
          if (keys === undefined) {
            keys = new Map()
            for (const partitionKey of yield* index.partitions(assetId)) add(keys, partitionKey)
            byAsset.set(key, keys)
          }
          const found = keys
          return {
            has: (partitionKey: string) => found.has(Id.partitionKey(partitionKey)),
            keys: () => found.values()
          }
        }),
        note: ({ assetId, partitionKey }) => {
          const keys = byAsset.get(Id.assetKey(assetId))
          if (keys !== undefined) add(keys, partitionKey)
        },
        retire: (assetId, retired) => {
          const keys = byAsset.get(Id.assetKey(assetId))
          if (keys === undefined) return
          for (const key of retired) keys.delete(Id.partitionKey(key))
        },
        forget: () => byAsset.clear()
      })
    })
  )
}
