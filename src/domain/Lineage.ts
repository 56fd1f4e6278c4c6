import type { ConsumedAsset, Definition, Partitioning } from "./Definition.ts"
import * as Id from "./Id.ts"
import type { Mapping } from "./PartitionMapping.ts"
import { partitionedAssets } from "./Partitioning.ts"

/** A declared edge between an asset and a step. */
export interface Edge {
  readonly kind: "produce" | "consume"
  readonly assetKey: string
  readonly workflow: string
  readonly stepId: string
  /** Of a consumed asset. */
  readonly consumed: ConsumedAsset | undefined
}

/** What one step of a workflow makes of an asset: the outputs of the step and of those after it. */
interface Use {
  readonly edge: Edge
  readonly outputs: ReadonlyArray<Edge>
  readonly mapping: Mapping
  /** An asset by whose partitions the workflow's runs are counted. */
  readonly counted: string | undefined
}

/** Every asset of the newest definitions, by asset key, with what is declared about it. */
export interface Graph {
  readonly assets: ReadonlyMap<string, { readonly assetId: string; readonly partitioning: Partitioning | undefined }>
  readonly producers: ReadonlyMap<string, ReadonlyArray<Edge>>
  readonly uses: ReadonlyMap<string, ReadonlyArray<Use>>
  /** By producing edge's asset key: the uses that it comes from. */
  readonly sources: ReadonlyMap<string, ReadonlyArray<Use>>
}

const push = <A>(map: Map<string, Array<A>>, key: string, item: A): void => {
  const known = map.get(key)
  if (known === undefined) map.set(key, [item])
  else known.push(item)
}

/** Steps that run after each step, and it itself. Linear in the edges for each step that is asked about. */
const downstream = (definition: Definition) => {
  const after = new Map<string, Array<string>>()
  for (const { dependsOn, id } of definition.steps) for (const before of dependsOn) push(after, before, id)
  return (stepId: string): ReadonlySet<string> => {
    const found = new Set([stepId])
    for (const id of found) for (const next of after.get(id) ?? []) found.add(next)
    return found
  }
}

/** The graph over all workflows. An asset is upstream of what its consuming step and the steps after that one make. */
export const build = (definitions: ReadonlyArray<Definition>): Graph => {
  const assets = new Map<string, { assetId: string; partitioning: Partitioning | undefined }>()
  const producers = new Map<string, Array<Edge>>()
  const uses = new Map<string, Array<Use>>()
  const sources = new Map<string, Array<Use>>()
  for (const { slug: workflow, steps } of definitions) {
    for (const { id: stepId, produces } of steps) {
      for (const { assetId, partitioning } of produces) {
        const assetKey = Id.assetKey(assetId)
        const known = assets.get(assetKey)
        assets.set(assetKey, {
          assetId: known?.assetId ?? assetId,
          partitioning: known?.partitioning ?? partitioning
        })
        push(producers, assetKey, { kind: "produce", assetKey, workflow, stepId, consumed: undefined })
      }
    }
  }
  for (const definition of definitions) {
    const { slug: workflow, steps } = definition
    const own = partitionedAssets(definition)[0]
    const counted = own?.assetId ?? steps.flatMap(({ produces }) => produces)[0]?.assetId
    const after = downstream(definition)
    for (const { consumes, id: stepId } of steps) {
      if (consumes.length === 0) continue
      const reached = after(stepId)
      const outputs = steps
        .filter(({ id }) => reached.has(id))
        .flatMap(({ id, produces }) =>
          produces.map(
            ({ assetId }): Edge => ({
              ...{ kind: "produce", assetKey: Id.assetKey(assetId), workflow, stepId: id, consumed: undefined }
            })
          )
        )
      for (const consumed of consumes) {
        const assetKey = Id.assetKey(consumed.assetId)
        if (!assets.has(assetKey)) assets.set(assetKey, { assetId: consumed.assetId, partitioning: undefined })
        const { partitionKey, partitions } = consumed
        const upstream = assets.get(assetKey)?.partitioning
        const mapping = { partitionKey, partitions, upstream, consumer: own?.partitioning }
        const use = {
          edge: { kind: "consume" as const, assetKey, workflow, stepId, consumed },
          outputs,
          mapping,
          counted
        }
        push(uses, assetKey, use)
        for (const output of new Set(outputs.map((edge) => edge.assetKey))) push(sources, output, use)
      }
    }
  }
  return { assets, producers, uses, sources }
}

export type Direction = "up" | "down" | "both"

export interface Walked {
  /** Keys of the assets, nearest first. */
  readonly assets: ReadonlyArray<string>
  readonly edges: ReadonlyArray<Edge>
  /** There are more assets than `limit`. */
  readonly truncated: boolean
}

const edgeKey = ({ assetKey, consumed, kind, stepId, workflow }: Edge) =>
  `${kind}\n${assetKey}\n${workflow}\n${stepId}\n${consumed === undefined ? "" : JSON.stringify(consumed.partitions)}`

/**
 * The assets at most `depth` steps (from asset to asset) away from `start`, and the edges between them and the workflows
 * on the way. At most `limit` assets.
 */
export const walk = (
  graph: Graph,
  start: ReadonlyArray<string>,
  direction: Direction,
  depth: number,
  limit: number
): Walked => {
  const assets = new Set<string>(start.slice(0, limit))
  const edges = new Map<string, Edge>()
  let truncated = start.length > limit
  const note = (edge: Edge) => edges.set(edgeKey(edge), edge)
  const reach = (assetKey: string, next: Array<string>, seen: Set<string>): boolean => {
    if (!assets.has(assetKey)) {
      if (assets.size >= limit) {
        truncated = true
        return false
      }
      assets.add(assetKey)
    }
    if (!seen.has(assetKey)) {
      seen.add(assetKey)
      next.push(assetKey)
    }
    return true
  }
  const level = (frontier: ReadonlyArray<string>, seen: Set<string>, isDown: boolean): ReadonlyArray<string> => {
    const next: Array<string> = []
    for (const assetKey of frontier) {
      if (isDown) {
        for (const { edge, outputs } of graph.uses.get(assetKey) ?? []) {
          note(edge)
          for (const output of outputs) if (reach(output.assetKey, next, seen)) note(output)
        }
      } else {
        for (const edge of graph.producers.get(assetKey) ?? []) note(edge)
        for (const { edge } of graph.sources.get(assetKey) ?? []) if (reach(edge.assetKey, next, seen)) note(edge)
      }
    }
    return next
  }
  for (const isDown of [false, true]) {
    if (direction === (isDown ? "up" : "down")) continue
    const seen = new Set(start)
    let frontier: ReadonlyArray<string> = [...assets].filter((assetKey) => seen.has(assetKey))
    for (let hop = 0; hop < depth && frontier.length > 0; hop++) frontier = level(frontier, seen, isDown)
  }
  return { assets: [...assets], edges: [...edges.values()], truncated }
}
