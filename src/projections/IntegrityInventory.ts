import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Event as AssetEvent, type Stored as AssetStored } from "../domain/Asset.ts"
import * as Id from "../domain/Id.ts"
import { Event as KeysEvent, type Stored as KeysStored } from "../domain/PartitionKeys.ts"
import * as InventoryRows from "./InventoryRows.ts"
import { type Handler, type LogEvent, type Projection, unknownType } from "./Projection.ts"

/** What a check of assets looks at: the parts and inputs of each current generation, and what is said of it. */
export const IntegrityInventory: Projection = {
  name: "integrity_inventory_v1",
  categories: ["asset", "keys"],
  tables: ["integrity_inventory_v1"],
  make: () => handler
}

/** Inputs of a generation that are compared with what there is now. */
const inputsMax = 1_000

type Row = InventoryRows.Row
type Data<Tag extends AssetStored["_tag"]> = Extract<AssetStored, { readonly _tag: Tag }>
type Retired = Extract<KeysStored, { readonly _tag: "PartitionKeysRetired" }>

const known: ReadonlySet<string> = new Set([...Object.keys(AssetEvent.cases), ...Object.keys(KeysEvent.cases)])
const assetTypes: ReadonlySet<string> = new Set(Object.keys(AssetEvent.cases))
const idOf = ({ assetKey, partitionId }: InventoryRows.Key): string => `${assetKey}\n${partitionId}`
const keyOf = (assetId: string, partitionKey: string): InventoryRows.Key => ({
  assetKey: Id.assetKey(assetId),
  partitionId: Id.partitionKey(partitionKey)
})

const handler: Handler = {
  handle: Effect.fnUntraced(function* (events: ReadonlyArray<LogEvent>) {
    const sql = yield* SqlClient.SqlClient
    for (const event of events) if (!known.has(event.type)) throw unknownType(event)
    const keys = events.flatMap((event) => {
      if (!assetTypes.has(event.type)) return []
      const { assetId, partitionKey } = event.data<AssetStored>()
      return [keyOf(assetId, partitionKey)]
    })
    const before = keys.length === 0 ? [] : yield* InventoryRows.read(sql, keys)
    const rows = new Map<string, Row>(before.map((row) => [idOf(row), row]))
    const changed = new Map<string, Row | InventoryRows.Key>()
    for (const event of events) {
      if (event.type === "PartitionKeysRetired") {
        const { assetId, keys: retired } = event.data<Retired>()
        for (const key of retired) {
          const gone = keyOf(assetId, key)
          rows.delete(idOf(gone))
          changed.set(idOf(gone), gone)
        }
      } else if (assetTypes.has(event.type)) {
        const { assetId, partitionKey } = event.data<AssetStored>()
        const id = idOf(keyOf(assetId, partitionKey))
        const next = evolve(rows.get(id), event)
        if (next === undefined) continue
        rows.set(id, next)
        changed.set(id, next)
      }
    }
    const written = [...changed.values()].filter((change): change is Row => "generation" in change)
    const removed = [...changed.values()].filter((change) => !("generation" in change))
    if (removed.length > 0) yield* InventoryRows.remove(sql, removed)
    if (written.length > 0) yield* InventoryRows.write(sql, written)
  }),
  // Nothing is kept between batches.
  forget: () => {}
}

/** What was never produced has no row: nothing of it can be looked at. */
const evolve = (row: Row | undefined, event: LogEvent): Row | undefined => {
  if (event.type === "AssetProduced") return produced(row, event)
  if (row === undefined) return undefined
  switch (event.type as Exclude<AssetStored["_tag"], "AssetProduced">) {
    case "AssetMissingDetected":
      return { ...row, isMissing: true }
    case "AssetVerified":
      return { ...row, isMissing: false }
    case "AssetExpired":
      return { ...row, expiredAt: event.data<Data<"AssetExpired">>().expiresAt }
    case "AssetMarkedStale":
      return { ...row, staleSince: event.at }
    case "AssetStaleCleared":
      return { ...row, staleSince: null }
  }
}

const produced = (row: Row | undefined, event: LogEvent): Row => {
  const data = event.data<Data<"AssetProduced">>()
  const { assetId, contentChanged, generation, partitionKey, parts, producedAt, recoveryId, source = null } = data
  // As the Asset decides: one that arrives late does not become the current one (T8), unless it heals what was lost.
  const heals = row !== undefined && recoveryId === Id.recovery(row.assetId, row.partitionKey, row.generation)
  if (row !== undefined && producedAt < row.producedAt && !heals) return row
  const isSame = row !== undefined && !contentChanged
  const inputs = data.inputs
    .filter(({ optional }) => optional !== true)
    .slice(0, inputsMax)
    .map((input) => [Id.assetKey(input.assetId), Id.partitionKey(input.partitionKey), input.generation])
  return {
    ...keyOf(assetId, partitionKey),
    ...{ assetId, partitionKey, generation, workflow: data.workflow, source, producedAt },
    // Bytes that came back as they were are no news to who was made from them.
    contentGeneration: isSame ? row.contentGeneration : generation,
    recordedAt: isSame ? row.recordedAt : event.at,
    parts: JSON.stringify(
      parts.map(({ bytes, etag, key, sha256, store, written }) => [store, key, bytes, etag, sha256, written])
    ),
    partCount: parts.length,
    inputs: JSON.stringify(inputs),
    ...{ isMissing: false, expiredAt: null, staleSince: null }
  }
}
