import { DateTime, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AssetReads } from "../actors/AssetReads.ts"
import { Engine, NotFound } from "../actors/Engine.ts"
import { LineageGraph } from "../actors/LineageGraph.ts"
import * as Asset from "../domain/Asset.ts"
import { view } from "../domain/AssetView.ts"
import { assetName, type AssetRef } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import { membershipFault } from "../domain/Partitioning.ts"
import { EventStore, type Position } from "../eventstore/EventStore.ts"
import { answer } from "./Answer.ts"
import { asOf } from "./AsOf.ts"
import { Api } from "./api/Api.ts"
import { depthDefault } from "./api/Assets.ts"
import { Inventory } from "./Inventory.ts"
import { lineageOf } from "./LineageView.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "assets",
  Effect.fnUntraced(function* (handlers) {
    const reads = yield* AssetReads
    const store = yield* EventStore
    const engine = yield* Engine
    const inventory = yield* Inventory
    const lineage = yield* LineageGraph

    /** Whether the partition could be there: somebody declares the asset, or it was recorded, and the key suits it. */
    const isPossible = Effect.fnUntraced(function* ({ assetId, partitionKey }: AssetRef) {
      const known = (yield* lineage.current).assets.get(Id.assetKey(assetId))
      if (known === undefined) {
        // Without a position nothing is waited for.
        const totals = yield* Effect.catchTag(inventory.totals([assetId]), "ProjectionBehind", Effect.die)
        return totals.has(Id.assetKey(assetId))
      }
      return partitionKey === "" || membershipFault(known.partitioning, partitionKey) === undefined
    })

    const isRecovering = (ref: AssetRef, generation: number, at: Position | number | undefined) =>
      engine.recovery(Id.recovery(ref.assetId, ref.partitionKey, generation), at).pipe(
        Effect.map(({ status }) => status === "requested" || status === "planned" || status === "running"),
        Effect.catchTag("NotFound", () => Effect.succeed(false))
      )

    const readAsset = Effect.fnUntraced(function* (ref: AssetRef, at: Position | number | undefined) {
      const found = yield* reads.asset(ref, at)
      if (found === null && (at !== undefined || !(yield* isPossible(ref)))) {
        return yield* new NotFound({ kind: "asset", id: assetName(ref) })
      }
      const asset = found ?? view({ ...Asset.initial, ...ref }, 0)
      const state = (yield* isRecovering(ref, asset.generation, at)) ? ("recovering" as const) : asset.state
      if (at !== undefined) return { ...asset, state, available: null }
      const { checkedAt, ...probed } = yield* reads.available(ref)
      const time = DateTime.formatIso(DateTime.makeUnsafe(checkedAt))
      // What the probe found may be news to the Asset.
      const current = probed.status === "missing" ? yield* reads.asset(ref) : asset
      const known = state === "recovering" ? state : (current ?? asset).state
      return { ...(current ?? asset), state: known, available: { ...probed, checkedAt: time } }
    })

    return handlers.handleAll({
      listAssets: ({ query: { cursor, limit, minPosition, ...filter } }) =>
        answer(inventory.list(filter, { cursor, limit, minPosition })),

      readAsset: ({ params: { assetId }, query: { at, partitionKey = "" } }) =>
        Effect.map(
          asOf(store, at, `asset-${Id.asset(assetId, partitionKey)}`, readAsset({ assetId, partitionKey }, at)),
          (data) => ({ data })
        ),

      lineage: ({ query: { assetId, depth = depthDefault, direction = "both", minPosition, partitionKey } }) =>
        Effect.map(
          answer(lineageOf(lineage, inventory, { assetId, partitionKey, direction, depth, minPosition })),
          (data) => ({ data })
        )
    })
  })
)
