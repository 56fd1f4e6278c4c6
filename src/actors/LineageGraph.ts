import { Clock, Context, Effect, Layer, Result } from "effect"
import * as Id from "../domain/Id.ts"
import { build, type Graph } from "../domain/Lineage.ts"
import * as PartitionMapping from "../domain/PartitionMapping.ts"
import { Definitions } from "./Definitions.ts"
import { KnownPartitions } from "./KnownPartitions.ts"

/** Partitions that one blast radius follows, and those of one asset that it lists. */
const followedMax = 10_000
const listedMax = 1_000

/** What is made, directly or through others, of one partition (F14). */
export interface BlastRadius {
  /** Nearest first. `partitionKeys`: the first 1,000 of `count`; "": without a partition. */
  readonly assets: ReadonlyArray<{
    readonly assetId: string
    readonly count: number
    readonly partitionKeys: ReadonlyArray<string>
  }>
  readonly partitions: number
  /** There are more than 10,000: the rest was not followed. */
  readonly truncated: boolean
}

/** How assets and workflows hang together, over all of them, from the newest definitions (F12, F14). */
export class LineageGraph extends Context.Service<
  LineageGraph,
  {
    readonly current: Effect.Effect<Graph>
    /** The runs that an update of the partition would concern, and what they make; `assetId` compared without case. */
    readonly blastRadius: (assetId: string, partitionKey: string) => Effect.Effect<BlastRadius>
  }
>()("kintsugi/actors/LineageGraph") {
  static readonly layer = Layer.effect(
    LineageGraph,
    Effect.gen(function* () {
      const definitions = yield* Definitions
      const known = yield* KnownPartitions
      let built: { readonly changes: number; readonly graph: Graph } | null = null

      const current = Effect.sync(() => {
        const changes = definitions.changes()
        if (built?.changes !== changes) {
          built = { changes, graph: build(definitions.all().map(({ definition }) => definition)) }
        }
        return built.graph
      })

      const blastRadius = Effect.fnUntraced(function* (assetId: string, partitionKey: string) {
        const graph = yield* current
        const now = yield* Clock.currentTimeMillis
        const origin = { assetKey: Id.assetKey(assetId), partitionKey }
        const keyOf = (at: typeof origin) => `${at.assetKey}\n${Id.partitionKey(at.partitionKey)}`
        const seen = new Set([keyOf(origin)])
        const open = [origin]
        const found = new Map<string, Array<string>>()
        let truncated = false
        for (const at of open) {
          for (const { counted, mapping, outputs } of graph.uses.get(at.assetKey) ?? []) {
            const upstream = yield* known.of(at.assetKey)
            const consumer = counted === undefined ? upstream : yield* known.of(counted)
            const { started } = PartitionMapping
            const runs = started(mapping, at.partitionKey, upstream, consumer, now, followedMax)
            if (Result.isFailure(runs)) {
              truncated = true
              continue
            }
            for (const run of runs.success.runs) {
              for (const assetKey of new Set(outputs.map((output) => output.assetKey))) {
                // A result without a key of its own has the run's (F65).
                const next = { assetKey, partitionKey: run ?? "" }
                if (seen.has(keyOf(next))) continue
                if (seen.size > followedMax) {
                  truncated = true
                  break
                }
                seen.add(keyOf(next))
                open.push(next)
                const keys = found.get(assetKey)
                if (keys === undefined) found.set(assetKey, [next.partitionKey])
                else keys.push(next.partitionKey)
              }
            }
          }
        }
        const assets = [...found].map(([assetKey, keys]) => ({
          assetId: graph.assets.get(assetKey)?.assetId ?? assetKey,
          count: keys.length,
          partitionKeys: keys.slice(0, listedMax)
        }))
        return { assets, partitions: seen.size - 1, truncated }
      })

      return LineageGraph.of({ current, blastRadius })
    })
  )
}
