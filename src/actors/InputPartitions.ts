import { Clock, Context, Effect, Layer, Result } from "effect"
import type { ConsumedAsset, Definition, Partitioning } from "../domain/Definition.ts"
import type { AssetRef, Failure } from "../domain/Failure.ts"
import { partitionedAssets } from "../domain/Partitioning.ts"
import * as PartitionMapping from "../domain/PartitionMapping.ts"
import * as Template from "../domain/Template.ts"
import * as TimeWindow from "../domain/TimeWindow.ts"
import { AssetCheck } from "./AssetCheck.ts"
import { Definitions, partitioningOf } from "./Definitions.ts"
import { LocationIndex } from "./LocationIndex.ts"

/** Partitions that one entry of `consumes` may come to. */
export const neededMax = 10_000

/** The run that consumes, as far as it matters which partitions it needs. */
export interface Consumer {
  readonly definition: Pick<Definition, "steps"> | null
  readonly partitionKey: string | undefined
  /** What the template of `partitionKey` may name. */
  readonly context: Template.Context
}

/** Which partitions of a consumed asset a run needs, by what both sides declare (F64, F65). */
export class InputPartitions extends Context.Service<
  InputPartitions,
  {
    /** In the order of their keys, windows in that of time. Fails when a template does not resolve, a key is none of the asset's, or nothing says which partitions there are. */
    readonly needed: (consumed: ConsumedAsset, consumer: Consumer) => Effect.Effect<ReadonlyArray<AssetRef>, Failure>
  }
>()("kintsugi/actors/InputPartitions") {
  static readonly layer = Layer.effect(
    InputPartitions,
    Effect.gen(function* () {
      const assets = yield* AssetCheck
      const definitions = yield* Definitions
      const index = yield* LocationIndex

      /** Asked only for what the mapping looks at: the index answers as of the log's head, which takes a moment. */
      const knownOf = Effect.fnUntraced(function* (
        assetId: string,
        looksAt: ReturnType<typeof PartitionMapping.looksAt>,
        partitionKey: string | undefined
      ) {
        const keys = new Set<string>()
        if (looksAt === "all") for (const key of yield* index.partitions(assetId)) keys.add(key)
        else if (looksAt === "own") {
          for (const key of [partitionKey ?? "", ""]) {
            if ((yield* assets.read({ assetId, partitionKey: key })).latest !== null) keys.add(key)
          }
        }
        return { has: (key: string) => keys.has(key), keys: () => keys }
      })

      const needed: InputPartitions["Service"]["needed"] = Effect.fnUntraced(function* (consumed, consumer) {
        const { assetId, optional } = consumed
        const mapping: PartitionMapping.Mapping = {
          partitions: consumed.partitions,
          partitionKey: consumed.partitionKey,
          upstream: partitioningOf(definitions, assetId),
          consumer: consumer.definition === null ? undefined : partitionedAssets(consumer.definition)[0]?.partitioning
        }
        const run = { partitionKey: consumer.partitionKey, ...(yield* named(mapping, consumer)) }
        const known = yield* knownOf(assetId, PartitionMapping.looksAt(mapping, run), run.partitionKey)
        const now = yield* Clock.currentTimeMillis
        const found = PartitionMapping.needed(mapping, run, known, now, neededMax)
        if (Result.isFailure(found)) {
          return yield* Effect.fail(refusal("too_many_inputs", `needs ${assetId}, and ${found.failure.message}`))
        }
        const { keys, reason } = found.success
        if (keys.length > 0) return inOrder(mapping.upstream, keys).map((partitionKey) => ({ assetId, partitionKey }))
        // An asset without declared partitions that nothing was made of is one thing, which its producer can make.
        if (mapping.upstream === undefined) return [{ assetId, partitionKey: "" }]
        if (optional) return []
        return yield* Effect.fail(
          refusal("input_undetermined", `needs ${assetId}, and no partition of it: ${reason ?? "it has none"}`)
        )
      })

      return InputPartitions.of({ needed })
    })
  )
}

/** By key; windows by their time, whatever their keys look like, so that the last one is the newest. */
const inOrder = (partitioning: Partitioning | undefined, keys: ReadonlyArray<string>): ReadonlyArray<string> => {
  const startOf = (key: string) =>
    partitioning?.type === "timeWindow"
      ? Result.match(TimeWindow.windowOf(partitioning, key), {
          onFailure: () => TimeWindow.instantMsMin,
          onSuccess: ({ start }) => start
        })
      : 0
  return keys
    .map((key) => ({ key, start: startOf(key) }))
    .sort((one, other) => one.start - other.start || (one.key < other.key ? -1 : 1))
    .map(({ key }) => key)
}

const refusal = (code: string, what: string): Failure => ({ class: "permanent", code, message: `the step ${what}` })

/** What a template of the step's own names for this run. */
const named = (
  mapping: PartitionMapping.Mapping,
  { context }: Consumer
): Effect.Effect<Pick<PartitionMapping.Run, "named">, Failure> => {
  if (!PartitionMapping.isNamed(mapping)) return Effect.succeed({})
  const rendered = Template.render(mapping.partitionKey, context, "consumes.partitionKey")
  return Result.isSuccess(rendered)
    ? Effect.succeed({ named: String(rendered.success ?? "") })
    : Effect.fail({ class: "permanent", code: "template_unresolved", message: rendered.failure.message })
}
