import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Event as AssetEvent, type Stored as AssetStored } from "../domain/Asset.ts"
import * as Id from "../domain/Id.ts"
import { Event as KeysEvent, type Stored as KeysStored } from "../domain/PartitionKeys.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import { available } from "./Available.ts"
import * as Columns from "./Columns.ts"
import { type Handler, type LogEvent, type Projection, unknownType } from "./Projection.ts"

/** The partitions of each asset that were produced and have not been retired since, in the order of first production. */
export const Partitions: Projection = {
  name: "asset_partitions_v1",
  categories: ["asset", "keys"],
  tables: ["asset_partitions_v1"],
  make: () => handler
}

/** The asset's partition keys, in the order of their first production. */
export const partitionsOf = Effect.fn("Partitions.partitionsOf")(function* (
  assetId: string
): Effect.fn.Return<ReadonlyArray<string>, LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* available(sql<{ readonly partitionKey: string }>`
    SELECT partition_key AS "partitionKey" FROM asset_partitions_v1
    WHERE asset_key = ${Id.assetKey(assetId)} ORDER BY first_position`)
  return rows.map(({ partitionKey }) => partitionKey)
})

type Produced = Extract<AssetStored, { readonly _tag: "AssetProduced" }>
type Retired = Extract<KeysStored, { readonly _tag: "PartitionKeysRetired" }>

interface Row {
  readonly assetKey: string
  /** The partition key without case. */
  readonly partitionId: string
  readonly partitionKey: string
  readonly position: string
}

const known: ReadonlySet<string> = new Set([...Object.keys(AssetEvent.cases), ...Object.keys(KeysEvent.cases)])
const idOf = (assetKey: string, partitionId: string): string => `${assetKey}\n${partitionId}`

const handler: Handler = {
  handle: Effect.fnUntraced(function* (events: ReadonlyArray<LogEvent>) {
    const sql = yield* SqlClient.SqlClient
    const retired = new Map<string, Pick<Row, "assetKey" | "partitionId">>()
    const produced = new Map<string, Row>()
    for (const event of events) {
      if (!known.has(event.type)) throw unknownType(event)
      if (event.type === "AssetProduced") {
        const { assetId, partitionKey } = event.data<Produced>()
        const row = { assetKey: Id.assetKey(assetId), partitionId: Id.partitionKey(partitionKey) }
        const id = idOf(row.assetKey, row.partitionId)
        if (!produced.has(id)) produced.set(id, { ...row, partitionKey, position: event.recorded.position })
      } else if (event.type === "PartitionKeysRetired") {
        const { assetId, keys } = event.data<Retired>()
        for (const key of keys) {
          const row = { assetKey: Id.assetKey(assetId), partitionId: Id.partitionKey(key) }
          produced.delete(idOf(row.assetKey, row.partitionId))
          retired.set(idOf(row.assetKey, row.partitionId), row)
        }
      }
    }
    // What was produced after its retirement is a new row: its turn in the order is new, too.
    if (retired.size > 0) yield* remove(sql, [...retired.values()])
    if (produced.size > 0) yield* insert(sql, [...produced.values()])
  }),
  // Nothing is kept between batches.
  forget: () => {}
}

const remove = (sql: SqlClient.SqlClient, rows: ReadonlyArray<Pick<Row, "assetKey" | "partitionId">>) => sql`
  DELETE FROM asset_partitions_v1
  WHERE (asset_key, partition_id) IN (
    SELECT retired.asset_key, retired.partition_id
    FROM unnest(${Columns.text(rows.map(({ assetKey }) => assetKey))},
      ${Columns.text(rows.map(({ partitionId }) => partitionId))}) AS retired (asset_key, partition_id))`

const insert = (sql: SqlClient.SqlClient, rows: ReadonlyArray<Row>) => sql`
  INSERT INTO asset_partitions_v1 (asset_key, partition_id, partition_key, first_position)
  SELECT asset_key, partition_id, partition_key, first_position
  FROM unnest(
    ${Columns.text(rows.map(({ assetKey }) => assetKey))},
    ${Columns.text(rows.map(({ partitionId }) => partitionId))},
    ${Columns.text(rows.map(({ partitionKey }) => partitionKey))},
    ${Columns.text(rows.map(({ position }) => position))})
    AS produced (asset_key, partition_id, partition_key, first_position)
  ON CONFLICT (asset_key, partition_id) DO NOTHING`
