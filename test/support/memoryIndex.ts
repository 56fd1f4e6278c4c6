import { Effect, Layer } from "effect"
import { LocationIndex } from "../../src/actors/LocationIndex.ts"
import { decode as decodeKeys } from "../../src/actors/PartitionKeysActor.ts"
import { assetCodec } from "../../src/actors/AssetActor.ts"
import type { Generation } from "../../src/domain/Asset.ts"
import * as Id from "../../src/domain/Id.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as memoryInventory from "./memoryInventory.ts"

const index = Layer.effect(
  LocationIndex,
  Effect.gen(function* () {
    const log = yield* EventStore
    const productions = Effect.gen(function* () {
      const { events } = yield* Effect.orDie(
        log.readAll({ after: null, limit: 1_000_000, category: "asset", types: ["AssetProduced"] })
      )
      const found: Array<Generation> = []
      for (const recorded of events) {
        const event = assetCodec.decode(recorded)
        if (event._tag === "AssetProduced") found.push(event)
      }
      return found
    })
    const located = Effect.map(productions, (found) =>
      found.flatMap(({ assetId, generation, partitionKey, parts }) =>
        parts.map((part) => ({ ...part, assetId, partitionKey, generation }))
      )
    )
    const owning = (store: string, key: string) =>
      Effect.map(located, (parts) => {
        const here = parts.filter((part) => part.store === store && part.key === key)
        return here.filter(({ written }) => written).at(-1) ?? here.at(-1) ?? null
      })
    return LocationIndex.of({
      owner: (store, key) =>
        Effect.map(owning(store, key), (last) =>
          last === null ? null : { assetId: last.assetId, partitionKey: last.partitionKey }
        ),
      recorded: owning,
      copies: (sha256) => Effect.map(located, (parts) => parts.filter((part) => part.sha256 === sha256)),
      below: (store, keyPrefix) =>
        Effect.map(located, (parts) => [
          ...new Map(
            parts
              .filter((part) => part.store === store && part.key.startsWith(keyPrefix))
              .map((part) => [part.key, part] as const)
          ).values()
        ]),
      partitions: Effect.fnUntraced(function* (assetId: string) {
        const types = ["AssetProduced", "PartitionKeysRetired"]
        const { events } = yield* Effect.orDie(log.readAll({ after: null, limit: 1_000_000, types }))
        const found = new Map<string, string>()
        for (const recorded of events) {
          const event = recorded.type === "AssetProduced" ? assetCodec.decode(recorded) : decodeKeys(recorded)
          if (Id.assetKey(event.assetId) !== Id.assetKey(assetId)) continue
          if (event._tag === "AssetProduced") {
            const id = Id.partitionKey(event.partitionKey)
            if (!found.has(id)) found.set(id, event.partitionKey)
          }
          if (event._tag === "PartitionKeysRetired") for (const key of event.keys) found.delete(Id.partitionKey(key))
        }
        return [...found.values()]
      })
    })
  })
)

/** The read models that actors ask, folded from the whole log at each question: for tests without a database. */
export const layer = Layer.merge(index, memoryInventory.layer)
