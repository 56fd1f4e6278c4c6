import type { ConsumedAsset, Definition } from "./Definition.ts"
import * as Id from "./Id.ts"
import type { Mapping } from "./PartitionMapping.ts"
import { partitionedAssets } from "./Partitioning.ts"
import { inputsOf, isOptedIn } from "./UpdateCycles.ts"

/** A workflow that wants to know of the updates of an asset that it consumes. */
export interface Route {
  readonly workflow: string
  readonly consumed: ConsumedAsset
  readonly mapping: Mapping
  /** An asset that the workflow makes, by whose partitions its runs are counted. */
  readonly produced: string | undefined
  readonly priority: number
  /** The workflow's own runs make it on their way, before they consume it. */
  readonly isOwn: boolean
  /** The update may come round to its own cause, which its declaration allows. */
  readonly cyclic: boolean
}

/** Who is told of what, over all workflows. Assets go by their key (`Id.assetKey`). */
export interface Routes {
  readonly consumers: ReadonlyMap<string, ReadonlyArray<Route>>
  /** The priority of a refresh, by `refreshKey`: of the assets that opted in. */
  readonly refreshes: ReadonlyMap<string, number>
  /** Declared edges: from an asset to a workflow that opted in. */
  readonly size: number
}

export const refreshKey = (workflow: string, assetId: string): string => `${workflow}\n${Id.assetKey(assetId)}`

/** The first workflow, by name, that opted in to refresh the asset. */
export const refresherOf = ({ refreshes }: Routes, assetId: string): string | undefined => {
  const end = refreshKey("", assetId)
  const found = [...refreshes.keys()].filter((key) => key.endsWith(end)).sort()[0]
  return found?.slice(0, -end.length)
}

/** The produced assets of a workflow that opted in to updates of what it consumes. */
const optedIn = ({ steps }: Definition) => steps.flatMap(({ produces }) => produces).filter(isOptedIn)

/**
 * The routes of the newest definitions. `isCyclic`: whether an asset's update to a workflow is part of a cycle that is
 * allowed. Linear in what is declared.
 */
export const build = (
  definitions: ReadonlyArray<Definition>,
  isCyclic: (workflow: string, assetId: string) => boolean
): Routes => {
  const consumers = new Map<string, Array<Route>>()
  const refreshes = new Map<string, number>()
  const producers = new Map<string, ReturnType<typeof partitionedAssets>[number]["partitioning"]>()
  for (const definition of definitions) {
    for (const { assetId, partitioning } of partitionedAssets(definition)) {
      producers.set(Id.assetKey(assetId), partitioning)
    }
  }
  let size = 0
  for (const definition of definitions) {
    const { slug: workflow } = definition
    const own = partitionedAssets(definition)[0]
    const first = definition.steps.flatMap(({ produces }) => produces)[0]
    const policies = optedIn(definition)
    const priority = Math.min(...policies.map(({ autoMaterialize }) => autoMaterialize?.priority ?? 100))
    const inputs = policies.length === 0 ? null : inputsOf(definition.steps)
    for (const { consumes, produces } of definition.steps) {
      for (const { assetId, autoMaterialize } of produces) {
        if (autoMaterialize?.enabled === true) refreshes.set(refreshKey(workflow, assetId), autoMaterialize.priority)
      }
      for (const consumed of inputs === null ? [] : consumes) {
        if (consumed.updateOn === "none") continue
        const key = Id.assetKey(consumed.assetId)
        const { partitionKey, partitions } = consumed
        const route: Route = {
          workflow,
          consumed,
          mapping: { partitionKey, partitions, upstream: producers.get(key), consumer: own?.partitioning },
          produced: own?.assetId ?? first?.assetId,
          priority,
          isOwn: inputs?.get(key)?.isOwn === true,
          cyclic: isCyclic(workflow, consumed.assetId)
        }
        const known = consumers.get(key)
        if (known === undefined) consumers.set(key, [route])
        else known.push(route)
        size++
      }
    }
  }
  return { consumers, refreshes, size }
}
