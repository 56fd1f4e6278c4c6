import { Clock, Context, Effect, Layer } from "effect"
import { hash } from "node:crypto"
import { listLimitMax, type ObjectInfo, type StoreError } from "../capabilities/ObjectStore.ts"
import { Stores } from "../capabilities/Stores.ts"
import * as Asset from "../domain/Asset.ts"
import { type AssetRef, assetName } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import type { JsonObject } from "../domain/JsonBounds.ts"
import { type Part, sameContent } from "../domain/Production.ts"
import * as ProvenanceKey from "../domain/Provenance.ts"
import { partitionFault } from "../domain/RunPartition.ts"
import { EventStore, type Metadata, type Position } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { commandRules, metadataOf, unavailable } from "./CommandRules.ts"
import { Definitions, type ProducerOf } from "./Definitions.ts"
import { type Caller, type CommandReused, InvalidInput, NotFound, type Problem, Unavailable } from "./Engine.ts"
import { LocationIndex } from "./LocationIndex.ts"
import { PartitionKeys } from "./PartitionKeys.ts"
import { StoreHealth } from "./StoreHealth.ts"

const itemsAtOnce = 4

/** One partition of an asset that was there before: its objects, and who would make it. */
export interface ProvenanceItem {
  /** Left out for an asset without partitions. */
  readonly partitionKey?: string | undefined
  readonly locations: readonly [
    { readonly store: string; readonly key: string },
    ...ReadonlyArray<{ readonly store: string; readonly key: string }>
  ]
  /** The workflow that declares the asset; may be left out when it is the only one. */
  readonly workflow?: string | undefined
  readonly parameters?: JsonObject | undefined
  /** Epoch ms; default now, never later. */
  readonly producedAt?: number | undefined
}

/** `present`: the same bytes are recorded already. `skipped`: nothing was recorded, and `reason` says why. */
export interface ProvenanceResult {
  readonly partitionKey: string | null
  readonly status: "recorded" | "present" | "skipped"
  readonly reason: string | null
  readonly generation: number | null
}

interface Judged {
  readonly item: ProvenanceItem
  readonly producer: ProducerOf
  /** Why the partition key is none that the asset can have, when such items are skipped; null: it is one. */
  readonly unfit: string | null
}

export interface ProvenanceOptions {
  readonly dryRun: boolean
  /** Items whose partition key is none of the asset's are skipped; otherwise one of them refuses the call. */
  readonly skipUnfit?: boolean | undefined
  readonly caller?: Caller | undefined
}

/** Notes assets that existed before anything ran here, so that they can be checked, used and healed (F11). */
export class Provenance extends Context.Service<
  Provenance,
  {
    /**
     * Looks at the objects, hashes them, and records a generation for each partition that has none. The same call
     * again records nothing. `dryRun`: says what it would do. A caller's command id that recorded something before with
     * another body is refused.
     */
    readonly record: (
      assetId: string,
      items: ReadonlyArray<ProvenanceItem>,
      options: ProvenanceOptions
    ) => Effect.Effect<
      { readonly results: ReadonlyArray<ProvenanceResult>; readonly position: Position | null },
      InvalidInput | NotFound | Unavailable | CommandReused
    >
    /** The first objects of a store below a prefix; `truncated`: there are more than `limit`. */
    readonly objects: (
      store: string,
      prefix: string,
      limit: number
    ) => Effect.Effect<
      { readonly objects: ReadonlyArray<ObjectInfo>; readonly truncated: boolean },
      InvalidInput | NotFound | Unavailable
    >
  }
>()("kintsugi/actors/Provenance") {
  static readonly layer = Layer.effect(
    Provenance,
    Effect.gen(function* () {
      const definitions = yield* Definitions
      const stores = yield* Stores
      const health = yield* StoreHealth
      const index = yield* LocationIndex
      const assets = yield* Actors.asset.client
      const keys = yield* PartitionKeys
      const { isRepeat } = commandRules(yield* EventStore)

      const observed = <A>(effect: Effect.Effect<A, StoreError>) =>
        Effect.tapError(effect, ({ failure }) => health.observe(failure))

      /** The object as a part of the asset; its bytes are read when the store does not know their hash. */
      const partOf = Effect.fnUntraced(function* ({ key, store }: { readonly store: string; readonly key: string }) {
        const opened = yield* Effect.orDie(stores.get(store))
        yield* health.guard(store)
        const info = yield* observed(opened.stat(key))
        const sha256 = info.sha256 ?? hash("sha256", yield* observed(opened.readBytes(key)))
        const part: Part = { store, key, bytes: info.bytes, etag: info.etag, sha256, written: true }
        return part
      })

      const judge = Effect.fnUntraced(function* (
        assetId: string,
        items: ReadonlyArray<ProvenanceItem>,
        skipUnfit: boolean
      ) {
        const producers = definitions.producersOf(assetId)
        if (producers.length === 0) return yield* new NotFound({ kind: "asset", id: assetId })
        const now = yield* Clock.currentTimeMillis
        const problems: Array<Problem> = []
        const judged: Array<Judged> = []
        const first = new Map<string, number>()
        for (const [position, item] of items.entries()) {
          const at = `items[${position}]`
          const found = producerOf(producers, item.workflow)
          if (typeof found === "string") problems.push({ path: `${at}.workflow`, message: found })
          const partitioning = (typeof found === "string" ? producers[0]! : found).produces.partitioning
          const partition = partitionProblem(partitioning, item.partitionKey, now)
          const key = Id.partitionKey(item.partitionKey ?? "")
          const earlier = first.get(key)
          if (earlier === undefined) first.set(key, position)
          const twice = `must not come twice: give all its objects as locations of items[${earlier}]`
          const message = partition ?? (earlier === undefined ? undefined : twice)
          if (message !== undefined && !skipUnfit) problems.push({ path: `${at}.partitionKey`, message })
          if (typeof found !== "string") {
            judged.push({ item, producer: found, unfit: message === undefined ? null : `${named(item)}: ${message}` })
          }
          for (const [place, { store }] of item.locations.entries()) {
            if (stores.names.includes(store)) continue
            const known = stores.names.join(", ") || "none"
            problems.push({ path: `${at}.locations[${place}].store`, message: `must be a store of the app: ${known}` })
          }
        }
        if (problems.length > 0) return yield* new InvalidInput({ problems })
        return judged
      })

      /** Another asset whose step wrote one of the objects. */
      const otherOwner = Effect.fnUntraced(function* (ref: AssetRef, { locations }: ProvenanceItem) {
        for (const { key, store } of locations) {
          const owner = yield* index.owner(store, key)
          if (
            owner !== null &&
            Id.asset(owner.assetId, owner.partitionKey) !== Id.asset(ref.assetId, ref.partitionKey)
          ) {
            return `${store}/${key} belongs to ${assetName(owner)}`
          }
        }
        return null
      })

      const recordOne = Effect.fnUntraced(function* (
        ref: AssetRef,
        { item, producer }: Judged,
        dryRun: boolean,
        metadata: () => Metadata
      ) {
        const [head, ...rest] = item.locations
        const first = yield* partOf(head)
        const parts = [first, ...(yield* Effect.forEach(rest, partOf))]
        const productionKey = ProvenanceKey.productionKey([first, ...parts.slice(1)])
        const id = Id.asset(ref.assetId, ref.partitionKey)
        const by = { runId: "", stepId: producer.step.id, attempt: 0, productionKey }
        const { state } = yield* assets.execute(id, { _tag: "Read" })
        const known = Asset.generationOf(state, by)
        if (known !== null) return outcome(ref, "present", null, known)
        if (state.latest !== null) {
          const { generation } = state.latest
          if (sameContent(state.latest.parts, parts)) return outcome(ref, "present", null, generation)
          return outcome(ref, "skipped", `generation ${generation} is recorded with other bytes`, generation)
        }
        if (dryRun) return outcome(ref, "recorded", null, null)
        const { defined, produces, step } = producer
        const refused = yield* keys.admit([produces], ref.partitionKey)
        if (refused !== undefined) return outcome(ref, "skipped", refused, null)
        const answer = yield* assets.execute(
          id,
          {
            ...{ _tag: "Produce", ...ref, ...by, parts, workflow: defined.slug, version: defined.version },
            stepId: step.id,
            parameters: { ...defined.definition.defaultParameters, ...item.parameters },
            runPartitionKey: item.partitionKey,
            inputs: [],
            reads: [],
            producedAt: item.producedAt,
            freshness: produces.freshness,
            source: ProvenanceKey.source
          },
          metadata()
        )
        const generation = Asset.generationOf(answer.state, by) ?? Asset.currentGeneration(answer.state)
        return { ...outcome(ref, "recorded", null, generation), position: answer.position }
      })

      const record: Provenance["Service"]["record"] = Effect.fn("Provenance.record")(function* (
        assetId,
        items,
        { caller, dryRun, skipUnfit = false }
      ) {
        // A repetition goes on where the first call was cut off: what is recorded is recorded once anyhow.
        yield* unavailable(isRepeat(caller))
        const metadata = firstOf(caller)
        const judged = yield* judge(assetId, items, skipUnfit)
        const refs = judged.map(({ item, producer }) => ({
          assetId: producer.produces.assetId,
          partitionKey: item.partitionKey ?? ""
        }))
        // Asked before anything is recorded: each answer waits for the index to reach the log's head.
        const owners = yield* Effect.forEach(
          judged,
          ({ item, unfit }, place) => (unfit === null ? otherOwner(refs[place]!, item) : Effect.succeed(unfit)),
          { concurrency: itemsAtOnce }
        )
        const results = yield* Effect.forEach(
          judged,
          (one, place) => {
            const ref = refs[place]!
            const owned = owners[place]
            if (owned !== null && owned !== undefined) return Effect.succeed(outcome(ref, "skipped", owned, null))
            return Effect.catchTag(recordOne(ref, one, dryRun, metadata), "StoreError", (error) =>
              // A store that is away says nothing of its objects: the caller tries again.
              error.failure.class === "store_unavailable"
                ? Effect.fail(new Unavailable({ message: error.message }))
                : Effect.succeed(outcome(ref, "skipped", error.message, null))
            )
          },
          { concurrency: itemsAtOnce }
        )
        const positions = results.flatMap(({ position }) => (position === null ? [] : [position])).sort()
        return { results: results.map(({ position: _, ...result }) => result), position: positions.at(-1) ?? null }
      })

      const objects: Provenance["Service"]["objects"] = Effect.fn("Provenance.objects")(
        function* (name, prefix, limit) {
          const store = yield* Effect.catchTag(stores.get(name), "UnknownStore", () =>
            Effect.fail(new NotFound({ kind: "store", id: name }))
          )
          // One more than asked for tells whether there are more.
          const listed = Effect.andThen(
            health.guard(name),
            observed(store.list(prefix, Math.min(limit + 1, listLimitMax)))
          )
          const found = yield* Effect.mapError(listed, ({ failure, message }) =>
            failure.code === "invalid_key"
              ? new InvalidInput({ problems: [{ path: "prefix", message: failure.message }] })
              : new Unavailable({ message })
          )
          const truncated = found.length > limit || found.length === listLimitMax
          return { objects: found.slice(0, limit), truncated }
        }
      )

      return Provenance.of({ record, objects })
    })
  )
}

/** Only the first event of a command says which one it is; the others say who asked. */
const firstOf = (caller: Caller | undefined): (() => Metadata) => {
  let isFirst = true
  return () => {
    const { commandId, requestHash, ...others } = metadataOf(caller)
    const first = isFirst && commandId !== undefined && requestHash !== undefined ? { commandId, requestHash } : {}
    isFirst = false
    return { ...others, ...first }
  }
}

/** The first object of an item, and how many more it has. */
const named = ({ locations: [{ key, store }, ...more] }: ProvenanceItem): string =>
  `${store}/${key}${more.length === 0 ? "" : ` and ${more.length} more`}`

const outcome = (
  { partitionKey }: AssetRef,
  status: ProvenanceResult["status"],
  reason: string | null,
  generation: number | null
): ProvenanceResult & { readonly position: Position | null } => ({
  partitionKey: partitionKey === "" ? null : partitionKey,
  status,
  reason,
  generation,
  position: null
})

/** The workflow that makes the asset, or what is wrong with the one that is named. */
const producerOf = (producers: ReadonlyArray<ProducerOf>, workflow: string | undefined): ProducerOf | string => {
  const names = producers.map(({ defined }) => defined.slug).join(", ")
  if (workflow === undefined) {
    return producers.length === 1 ? producers[0]! : `is needed: several workflows declare the asset: ${names}`
  }
  return producers.find(({ defined }) => defined.slug === workflow) ?? `must be a workflow that declares it: ${names}`
}

const partitionProblem = (
  partitioning: ProducerOf["produces"]["partitioning"],
  key: string | undefined,
  now: number
): string | undefined => {
  if (key !== undefined) return partitionFault(partitioning, key, now)
  return partitioning === undefined ? undefined : "is needed: the asset is partitioned"
}
