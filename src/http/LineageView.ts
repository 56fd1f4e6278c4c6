import { Effect } from "effect"
import type { LineageGraph } from "../actors/LineageGraph.ts"
import { NotFound } from "../actors/Engine.ts"
import * as Id from "../domain/Id.ts"
import { type Direction, type Edge, walk } from "../domain/Lineage.ts"
import { shownPartition } from "../domain/run/RunView.ts"
import type { Position } from "../eventstore/EventStore.ts"
import { noCounts } from "../projections/AssetTotals.ts"
import type { Totals } from "../projections/AssetTotalsQuery.ts"
import type { Inventory } from "./Inventory.ts"

export interface LineageRequest {
  readonly assetId: string | undefined
  readonly partitionKey: string | undefined
  readonly direction: Direction
  readonly depth: number
  readonly minPosition: Position | undefined
}

/** Assets of one answer. */
const assetsMax = 10_000

type Counts = Totals["counts"]

const none: Counts = { ...noCounts, recovering: 0 }

/** The worst that is known of any partition. */
const worst = (counts: Counts) => {
  if (counts.missing > 0) return "missing" as const
  if (counts.recovering > 0) return "recovering" as const
  if (counts.stale > 0) return "stale" as const
  if (counts.expired > 0) return "expired" as const
  return counts.materialized > 0 ? ("fresh" as const) : ("never" as const)
}

/** What `GET /lineage` answers (F12, F14): the graph from memory, the states of its assets from the read model. */
export const lineageOf = Effect.fnUntraced(function* (
  lineage: LineageGraph["Service"],
  inventory: Inventory["Service"],
  request: LineageRequest
) {
  const { assetId, depth, direction, minPosition, partitionKey } = request
  const graph = yield* lineage.current
  const start = assetId === undefined ? [...graph.assets.keys()] : [Id.assetKey(assetId)]
  const walked = walk(graph, start, direction, depth, assetsMax)
  const { totals, outdated } = yield* Effect.all(
    { totals: inventory.totals(walked.assets, minPosition), outdated: inventory.outdated(walked.assets) },
    { concurrency: 2 }
  )
  // Nobody declares it: it is there when it was ever recorded.
  if (assetId !== undefined && !graph.assets.has(start[0]!) && !totals.has(start[0]!)) {
    return yield* new NotFound({ kind: "asset", id: assetId })
  }
  const nameOf = (assetKey: string) => totals.get(assetKey)?.assetId ?? graph.assets.get(assetKey)?.assetId ?? assetKey
  const workflows = (edges: ReadonlyArray<{ readonly workflow: string }> | undefined) => [
    ...new Set((edges ?? []).map(({ workflow }) => workflow))
  ]
  const assets = walked.assets.map((assetKey) => {
    const counts = totals.get(assetKey)?.counts ?? none
    const marks = outdated.get(assetKey)
    return {
      type: "asset" as const,
      id: nameOf(assetKey),
      state: worst(counts),
      counts,
      producedAt: totals.get(assetKey)?.producedAt ?? null,
      producers: workflows(graph.producers.get(assetKey)),
      consumers: workflows(graph.uses.get(assetKey)?.map(({ edge }) => edge)),
      outdated: { partitions: marks?.outdated ?? 0, compared: marks?.compared ?? 0 }
    }
  })
  const edge = ({ assetKey, consumed, kind, stepId, workflow }: Edge) => {
    const asset = `asset:${nameOf(assetKey)}`
    const ends =
      kind === "produce" ? { from: `workflow:${workflow}`, to: asset } : { from: asset, to: `workflow:${workflow}` }
    return {
      ...{ kind, ...ends, stepId },
      ...(consumed === undefined ? {} : { optional: consumed.optional, partitions: consumed.partitions })
    }
  }
  const radius =
    assetId === undefined || partitionKey === undefined ? null : yield* lineage.blastRadius(assetId, partitionKey)
  return {
    nodes: [...assets, ...workflows(walked.edges).map((id) => ({ type: "workflow" as const, id }))],
    edges: walked.edges.map(edge),
    truncated: walked.truncated,
    blastRadius:
      radius === null
        ? null
        : {
            ...radius,
            assetId: nameOf(start[0]!),
            partitionKey: shownPartition(partitionKey),
            assets: radius.assets.map((asset) => ({ ...asset, partitionKeys: asset.partitionKeys.map(shownPartition) }))
          }
  }
})
