import { Effect } from "effect"
import type { Definitions } from "../actors/Definitions.ts"
import { NotFound } from "../actors/Engine.ts"
import type { ConsumedAsset, Definition, ProducedAsset } from "../domain/Definition.ts"
import * as Id from "../domain/Id.ts"
import type { PartitionedAsset } from "../projections/PartitionsQuery.ts"
import type { Inventory } from "./Inventory.ts"

/** An asset of a workflow's newest version, with the steps that make and use it. */
export interface Declared {
  readonly assetKey: string
  readonly assetId: string
  readonly produces: ProducedAsset | undefined
  readonly producedBy: ReadonlyArray<string>
  readonly consumedBy: ReadonlyArray<string>
}

/** Every asset that the workflow makes or uses, by key. */
export const declaredAssets = ({ steps }: Definition): ReadonlyArray<Declared> => {
  const found = new Map<string, Declared>()
  const note = (stepId: string, asset: ProducedAsset | ConsumedAsset, produces: ProducedAsset | undefined) => {
    const { assetId } = asset
    const assetKey = Id.assetKey(assetId)
    const before = found.get(assetKey) ?? { assetKey, assetId, produces: undefined, producedBy: [], consumedBy: [] }
    const role = produces === undefined ? "consumedBy" : "producedBy"
    const named = before[role].includes(stepId) ? before[role] : [...before[role], stepId]
    found.set(assetKey, { ...before, produces: before.produces ?? produces, [role]: named })
  }
  for (const { id, produces } of steps) for (const asset of produces) note(id, asset, asset)
  for (const { consumes, id } of steps) for (const asset of consumes) note(id, asset, undefined)
  return [...found.values()].sort((left, right) => (left.assetKey < right.assetKey ? -1 : 1))
}

export const definitionOf = (definitions: Definitions["Service"], slug: string) => {
  const defined = definitions.latest(slug)
  return defined === undefined
    ? Effect.fail(new NotFound({ kind: "workflow", id: slug }))
    : Effect.succeed(defined.definition)
}

/** The asset as the workflow knows it: declared by its newest version, or made by an older one. */
export const assetOf = Effect.fnUntraced(function* (
  definitions: Definitions["Service"],
  inventory: Inventory["Service"],
  slug: string,
  assetId: string
) {
  const definition = yield* definitionOf(definitions, slug)
  const declared = declaredAssets(definition).find(({ assetKey }) => assetKey === Id.assetKey(assetId))
  if (declared === undefined) {
    // Without a position or a cursor nothing is waited for and nothing can be refused.
    const made = yield* Effect.catchTags(inventory.list({ workflow: slug, assetId }, { limit: 1 }), {
      ProjectionBehind: Effect.die,
      InvalidCursor: Effect.die
    })
    if (made.data.length === 0) return yield* new NotFound({ kind: "asset", id: assetId })
  }
  const producer = definitions.producersOf(assetId)[0]
  const partitioned: PartitionedAsset = {
    assetId: declared?.assetId ?? assetId,
    workflow: declared?.produces === undefined ? (producer?.defined.slug ?? slug) : slug,
    partitioning: (declared?.produces ?? producer?.produces)?.partitioning
  }
  return partitioned
})
