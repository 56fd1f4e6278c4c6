import { Effect, Layer } from "effect"
import { AssetInventory, type InventoryRow } from "../../src/actors/AssetInventory.ts"
import { decode } from "../../src/actors/AssetActor.ts"
import { decode as decodeKeys } from "../../src/actors/PartitionKeysActor.ts"
import * as Asset from "../../src/domain/Asset.ts"
import * as Id from "../../src/domain/Id.ts"
import { keyOf } from "../../src/domain/integrity/Finding.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"

interface Folded {
  readonly state: Asset.State
  readonly contentGeneration: number
  readonly recordedAt: number
}

/** The inventory folded from the whole log at each question: for tests without a database. */
export const layer = Layer.effect(
  AssetInventory,
  Effect.gen(function* () {
    const log = yield* EventStore
    const folded = Effect.gen(function* () {
      const { events } = yield* log.readAll({ after: null, limit: 1_000_000 })
      const found = new Map<string, Folded>()
      for (const recorded of events) {
        if (recorded.type === "PartitionKeysRetired") {
          const event = decodeKeys(recorded)
          if (event._tag !== "PartitionKeysRetired") continue
          for (const key of event.keys) found.delete(keyOf({ assetId: event.assetId, partitionKey: key }))
        }
        if (!recorded.streamName.startsWith("asset-")) continue
        const event = decode(recorded)
        const key = keyOf(event)
        const before = found.get(key)
        const state = Asset.evolve(before?.state ?? Asset.initial, event)
        const isNew =
          event._tag === "AssetProduced" && state.latest?.generation === event.generation && event.contentChanged
        found.set(key, {
          state,
          contentGeneration: isNew ? event.generation : (before?.contentGeneration ?? 0),
          recordedAt: isNew ? event.at : (before?.recordedAt ?? event.at)
        })
      }
      for (const [key, { state }] of found) if (state.latest === null) found.delete(key)
      return found
    })
    const rowOf = (all: ReadonlyMap<string, Folded>, { state }: Folded): InventoryRow => {
      const { generation, inputs, parts, source = null, workflow } = state.latest!
      const { assetId, expiredAt, partitionKey } = state
      return {
        ...{ assetId, partitionKey, generation, workflow, source, parts, expiredAt },
        isMissing: state.missing !== null,
        staleSince: state.stale?.since ?? null,
        outdatedBy: inputs.flatMap((input) => {
          const now = all.get(keyOf(input))
          if (now === undefined || input.optional === true || now.contentGeneration <= input.generation) return []
          const ref = { assetId: now.state.assetId, partitionKey: now.state.partitionKey }
          return [
            { ...ref, used: input.generation, generation: now.state.latest!.generation, recordedAt: now.recordedAt }
          ]
        })
      }
    }
    return AssetInventory.of({
      ready: Effect.void,
      page: Effect.fnUntraced(function* ({ after, limit, scope }) {
        const all = yield* folded
        const mark = after === null ? "" : after.join("\n")
        const keys = [...all.keys()].sort().filter((key) => after === null || key > mark)
        const wanted = keys.filter((key) => {
          const { assetId, partitionKey } = all.get(key)!.state
          const isAmong = scope.assetIds?.some((id) => Id.assetKey(id) === Id.assetKey(assetId)) ?? true
          return isAmong && (scope.partitionKey ?? partitionKey) === partitionKey
        })
        const page = wanted.slice(0, limit)
        const rows = page
          .map((key) => rowOf(all, all.get(key)!))
          .filter(({ parts }) => scope.store === undefined || parts.some(({ store }) => store === scope.store))
        const last = wanted.length > limit ? page[page.length - 1]!.split("\n") : null
        return { rows, next: last === null ? null : ([last[0]!, last[1]!] as const) }
      }),
      recorded: (assetId, partitionIds) =>
        Effect.map(folded, (all) => {
          const found = [...all.keys()].filter((key) => key.startsWith(`${Id.assetKey(assetId)}\n`))
          const ids = found.map((key) => key.slice(key.indexOf("\n") + 1))
          return new Set(ids.filter((id) => partitionIds?.includes(id) ?? true))
        }),
      openRuns: Effect.fnUntraced(function* (workflow, partitionKey) {
        const { events } = yield* log.readAll({ after: null, limit: 1_000_000, category: "run" })
        const open = new Set<string>()
        for (const { payload, streamName, type } of events) {
          const id = streamName.slice("run-".length)
          if (type === "RunRequested") {
            const asked = JSON.parse(payload) as { readonly workflow: string; readonly partitionKey?: string }
            const isSame = (asked.partitionKey ?? partitionKey) === partitionKey
            if (asked.workflow === workflow && isSame) open.add(id)
          }
          if (["RunSucceeded", "RunFailed", "RunCanceled"].includes(type)) open.delete(id)
        }
        return [...open]
      })
    })
  })
)
