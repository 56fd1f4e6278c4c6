import { Context, Layer } from "effect"
import type { Definition, Partitioning, ProducedAsset, StepDefinition } from "../domain/Definition.ts"
import * as Id from "../domain/Id.ts"

/** One version of a workflow, parsed, with the JSON that was put. */
export interface DefinedVersion {
  readonly slug: string
  readonly version: number
  readonly origin: "app" | "http"
  readonly json: unknown
  readonly definition: Definition
  readonly definedAt: number
}

/** The step that makes an asset, in the newest version of a workflow that declares it. */
export interface ProducerOf {
  readonly defined: DefinedVersion
  readonly step: StepDefinition
  readonly produces: ProducedAsset
}

/**
 * Every workflow definition, in memory: what the log says, kept current by each `Define`. Lookups are synchronous,
 * because decoding a run's first event needs the definition that the run is pinned to.
 */
export class Definitions extends Context.Service<
  Definitions,
  {
    readonly put: (defined: DefinedVersion) => void
    readonly get: (slug: string, version: number) => DefinedVersion | undefined
    readonly latest: (slug: string) => DefinedVersion | undefined
    readonly all: () => ReadonlyArray<DefinedVersion>
    /** Counts what was put: whoever derives something from the definitions does so again when it differs. */
    readonly changes: () => number
    /** Producers of an asset in the newest versions, by slug; asset ids are compared without case. */
    readonly producersOf: (assetId: string) => ReadonlyArray<ProducerOf>
  }
>()("kintsugi/actors/Definitions") {
  static readonly layer = Layer.sync(Definitions, () => {
    const bySlug = new Map<string, Map<number, DefinedVersion>>()
    const newest = new Map<string, DefinedVersion>()
    let producers: Map<string, Array<ProducerOf>> | null = null
    let changes = 0

    const index = () => {
      const byAsset = new Map<string, Array<ProducerOf>>()
      for (const slug of [...newest.keys()].sort()) {
        const defined = newest.get(slug)!
        for (const step of defined.definition.steps) {
          for (const produces of step.produces) {
            const key = Id.assetKey(produces.assetId)
            byAsset.set(key, [...(byAsset.get(key) ?? []), { defined, step, produces }])
          }
        }
      }
      return byAsset
    }

    return Definitions.of({
      put: (defined) => {
        const versions = bySlug.get(defined.slug) ?? new Map<number, DefinedVersion>()
        bySlug.set(defined.slug, versions.set(defined.version, defined))
        if ((newest.get(defined.slug)?.version ?? 0) <= defined.version) newest.set(defined.slug, defined)
        producers = null
        changes++
      },
      get: (slug, version) => bySlug.get(slug)?.get(version),
      latest: (slug) => newest.get(slug),
      all: () => [...newest.values()].sort((left, right) => (left.slug < right.slug ? -1 : 1)),
      changes: () => changes,
      producersOf: (assetId) => {
        producers ??= index()
        return producers.get(Id.assetKey(assetId)) ?? []
      }
    })
  })
}

/** The pinned definition, which must have been loaded: an absent one is a defect, never an empty definition. */
export const getOrDie = (definitions: Definitions["Service"], slug: string, version: number): DefinedVersion => {
  const defined = definitions.get(slug, version)
  if (defined === undefined) throw new Error(`workflow ${slug} has no version ${version} in the log`)
  return defined
}

/** How the asset is partitioned, as a newest definition declares it: of several the one whose workflow sorts last. */
export const partitioningOf = (definitions: Definitions["Service"], assetId: string): Partitioning | undefined =>
  definitions.producersOf(assetId).findLast(({ produces }) => produces.partitioning !== undefined)?.produces
    .partitioning
