import { DateTime, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AssetCommands } from "../actors/AssetCommands.ts"
import { AssetReads } from "../actors/AssetReads.ts"
import { Definitions } from "../actors/Definitions.ts"
import { NotFound } from "../actors/Engine.ts"
import { generationView } from "../domain/AssetView.ts"
import type { AssetRef } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import type { JsonObject } from "../domain/JsonBounds.ts"
import { InvalidCursor, type PageRequest } from "../projections/Page.ts"
import { noCounts } from "../projections/AssetTotals.ts"
import { EventStore, type Position } from "../eventstore/EventStore.ts"
import { answer } from "./Answer.ts"
import { refuseCursorAhead } from "./AsOf.ts"
import { Api } from "./api/Api.ts"
import { pageSize } from "./api/Fields.ts"
import { Principal } from "./api/Guards.ts"
import { callerOf, type CommandRequest } from "./Command.ts"
import { generationDiff } from "./GenerationDiff.ts"
import { Inventory } from "./Inventory.ts"
import { assetOf, declaredAssets, definitionOf } from "./WorkflowAssets.ts"

/** Streams that one page reads at once. */
const readAtOnce = 16

const iso = (epochMs: number | null) => (epochMs === null ? null : DateTime.formatIso(DateTime.makeUnsafe(epochMs)))

type Request = PageRequest & { readonly minPosition?: Position | undefined }

export const layer = HttpApiBuilder.group(
  Api,
  "workflowAssets",
  Effect.fnUntraced(function* (handlers) {
    const commands = yield* AssetCommands
    const definitions = yield* Definitions
    const inventory = yield* Inventory
    const reads = yield* AssetReads
    const log = yield* EventStore

    /** By asset key; the cursor is the last key of the page. */
    const workflowAssets = Effect.fnUntraced(function* (slug: string, { cursor, limit = pageSize, ...more }: Request) {
      const all = declaredAssets(yield* definitionOf(definitions, slug))
      if (cursor !== undefined && !all.some(({ assetKey }) => assetKey === cursor)) {
        return yield* new InvalidCursor({ cursor })
      }
      const rest = all.filter(({ assetKey }) => cursor === undefined || assetKey > cursor)
      const page = rest.slice(0, limit)
      const totals = yield* inventory.totals(
        page.map(({ assetKey }) => assetKey),
        more.minPosition
      )
      const data = page.map(({ assetId, assetKey, consumedBy, producedBy, produces }) => ({
        ...{ assetId, producedBy, consumedBy, partitioning: produces?.partitioning ?? null },
        freshness: produces?.freshness ?? null,
        autoMaterialize: produces?.autoMaterialize ?? null,
        producedAt: totals.get(assetKey)?.producedAt ?? null,
        counts: totals.get(assetKey)?.counts ?? { ...noCounts, recovering: 0 }
      }))
      return { data, nextCursor: rest.length > limit ? (page.at(-1)?.assetKey ?? null) : null }
    })

    const history = Effect.fnUntraced(function* (
      slug: string,
      asset: { readonly assetId: string; readonly partitionKey?: string | undefined },
      request: Request
    ) {
      yield* assetOf(definitions, inventory, slug, asset.assetId)
      const page = yield* inventory.history(asset, request)
      const found = yield* Effect.forEach(
        page.data,
        ({ streamName, streamVersion }) => reads.production(streamName, streamVersion),
        { concurrency: readAtOnce }
      )
      const generations = found.filter((generation) => generation !== null)
      const superseded = yield* reads.supersededAt(generations)
      return {
        data: generations.map((generation, index) => ({
          ...generationView(generation),
          supersededAt: iso(superseded[index]!)
        })),
        nextCursor: page.nextCursor
      }
    })

    const generationOf = Effect.fnUntraced(function* (ref: AssetRef, generation: number) {
      const found = generation < 1 ? null : yield* reads.generation(ref, generation)
      return found ?? (yield* new NotFound({ kind: "asset", id: `${ref.assetId} generation ${generation}` }))
    })

    const difference = Effect.fnUntraced(function* (slug: string, ref: AssetRef, before: number, after: number) {
      yield* assetOf(definitions, inventory, slug, ref.assetId)
      return generationDiff(yield* generationOf(ref, before), yield* generationOf(ref, after))
    })

    const automatic = Effect.fnUntraced(function* (slug: string, partitionKey: string | undefined, request: Request) {
      const { steps } = yield* definitionOf(definitions, slug)
      const refreshed = steps.flatMap(({ produces }) =>
        produces.flatMap(({ assetId, autoMaterialize }) => (autoMaterialize?.enabled === true ? [assetId] : []))
      )
      const page =
        partitionKey === undefined
          ? yield* inventory.automatic(slug, request)
          : { data: [partitionKey], nextCursor: null }
      const due = yield* inventory.nextRefresh(slug, refreshed, page.data)
      const data = yield* Effect.forEach(page.data, (key) => reads.automatic(slug, key), { concurrency: readAtOnce })
      return {
        schedule: yield* reads.schedule(slug),
        data: data.map((view, index) => ({
          ...view,
          nextRefreshAt: due.byPartition.get(Id.partitionKey(page.data[index]!)) ?? null
        })),
        nextCursor: page.nextCursor,
        nextRefreshAt: due.next
      }
    })

    const caller = (route: string, slug: string, ref: AssetRef, headers: CommandRequest["headers"], body: unknown) =>
      Effect.map(Principal, (principal) =>
        callerOf({ principal, route, ids: [slug, Id.assetKey(ref.assetId), ref.partitionKey], headers, body })
      )
    const mark = Effect.fnUntraced(function* (
      slug: string,
      ref: AssetRef,
      headers: CommandRequest["headers"],
      body: { readonly note: string }
    ) {
      const by = yield* caller("POST /workflows/{slug}/assets/{assetId}/stale", slug, ref, headers, body)
      return yield* answer(commands.markStale(slug, ref, body.note, by))
    })
    const clear = Effect.fnUntraced(function* (slug: string, ref: AssetRef) {
      const by = yield* caller("DELETE /workflows/{slug}/assets/{assetId}/stale", slug, ref, {}, undefined)
      return yield* answer(commands.clearStale(slug, ref, by))
    })
    const store = Effect.fnUntraced(function* (
      slug: string,
      ref: AssetRef,
      headers: CommandRequest["headers"],
      body: { readonly parameters: JsonObject }
    ) {
      const by = yield* caller("PUT /workflows/{slug}/assets/{assetId}/parameters", slug, ref, headers, body)
      return yield* answer(commands.setParameters(slug, ref, body.parameters, by))
    })
    const parameters = (slug: string, ref: AssetRef) =>
      Effect.map(answer(commands.parameters(slug, ref)), (data) => ({ data }))
    const whole = (assetId: string): AssetRef => ({ assetId, partitionKey: "" })

    return handlers.handleAll({
      workflowAssets: ({ params: { slug }, query }) => answer(workflowAssets(slug, query)),
      assetHistory: ({ params: { assetId, slug }, query: { partitionKey, ...request } }) =>
        Effect.andThen(
          refuseCursorAhead(log, request.cursor),
          answer(history(slug, { assetId, partitionKey }, request))
        ),
      generationDiff: ({ params: { assetId, generation, slug }, query }) => {
        const ref = { assetId, partitionKey: query.partitionKey ?? "" }
        return Effect.map(answer(difference(slug, ref, query.with ?? generation - 1, generation)), (data) => ({ data }))
      },
      assetPartitions: ({ params: { assetId, slug }, query }) =>
        answer(
          Effect.flatMap(assetOf(definitions, inventory, slug, assetId), (asset) => inventory.partitions(asset, query))
        ),
      autoMaterialize: ({ params: { slug }, query: { partitionKey, ...request } }) =>
        Effect.andThen(refuseCursorAhead(log, request.cursor), answer(automatic(slug, partitionKey, request))),

      readParameters: ({ params: { assetId, slug } }) => parameters(slug, whole(assetId)),
      setParameters: ({ headers, params: { assetId, slug }, payload }) => store(slug, whole(assetId), headers, payload),
      markAssetStale: ({ headers, params: { assetId, slug }, payload }) => mark(slug, whole(assetId), headers, payload),
      clearAssetStale: ({ params: { assetId, slug } }) => clear(slug, whole(assetId)),

      readPartitionParameters: ({ params: { assetId, key, slug } }) => parameters(slug, { assetId, partitionKey: key }),
      setPartitionParameters: ({ headers, params: { assetId, key, slug }, payload }) =>
        store(slug, { assetId, partitionKey: key }, headers, payload),
      markStale: ({ headers, params: { assetId, key, slug }, payload }) =>
        mark(slug, { assetId, partitionKey: key }, headers, payload),
      clearStale: ({ params: { assetId, key, slug } }) => clear(slug, { assetId, partitionKey: key })
    })
  })
)
