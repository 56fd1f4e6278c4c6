import { Clock, Context, Effect, Layer } from "effect"
import type { Partitioning } from "../domain/Definition.ts"
import { idOf, isCurrent } from "../domain/PartitionKeys.ts"
import { maxKeysFault } from "../domain/PartitionSet.ts"
import * as Actors from "./Actors.ts"
import { LocationIndex } from "./LocationIndex.ts"

/** An asset, with its partitioning if it has one. */
export interface Admitting {
  readonly assetId: string
  readonly partitioning?: Partitioning | undefined
}

/** Admits keys of dynamic assets, up to `maxKeys` of each (T20). */
export class PartitionKeys extends Context.Service<
  PartitionKeys,
  {
    /** Takes the key as one that each dynamic asset has; answers why an asset may not have it, or undefined. */
    readonly admit: (assets: ReadonlyArray<Admitting>, key: string) => Effect.Effect<string | undefined>
  }
>()("kintsugi/actors/PartitionKeys") {
  static readonly layer = Layer.effect(
    PartitionKeys,
    Effect.gen(function* () {
      const keys = yield* Actors.partitionKeys.client
      const index = yield* LocationIndex

      const admitOne = Effect.fnUntraced(function* (
        assetId: string,
        { maxKeys, retentionDays }: Extract<Partitioning, { readonly type: "dynamic" }>,
        partitionKey: string
      ) {
        const { state } = yield* Effect.orDie(keys.execute(idOf(assetId), { _tag: "Read" }))
        if (isCurrent(state, partitionKey, retentionDays, yield* Clock.currentTimeMillis)) return undefined
        const takenOver = state.assetId === "" ? yield* index.partitions(assetId) : undefined
        return yield* keys
          .execute(idOf(assetId), { _tag: "Admit", assetId, partitionKey, maxKeys, retentionDays, takenOver })
          .pipe(
            Effect.as(undefined),
            Effect.catch((refused) => Effect.succeed(`${maxKeysFault(refused.maxKeys)} (asset ${assetId})`))
          )
      })

      const admit: PartitionKeys["Service"]["admit"] = Effect.fnUntraced(function* (assets, key) {
        for (const { assetId, partitioning } of assets) {
          if (partitioning?.type !== "dynamic") continue
          const fault = yield* admitOne(assetId, partitioning, key)
          if (fault !== undefined) return fault
        }
        return undefined
      })

      return PartitionKeys.of({ admit })
    })
  )
}
