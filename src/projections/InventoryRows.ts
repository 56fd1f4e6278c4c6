import type { SqlClient } from "effect/sql"
import * as Columns from "./Columns.ts"

/** One row of `integrity_inventory_v1`; times are epoch ms, lists are JSON. */
export interface Row {
  readonly assetKey: string
  readonly partitionId: string
  readonly assetId: string
  readonly partitionKey: string
  readonly generation: number
  readonly contentGeneration: number
  readonly workflow: string
  readonly source: string | null
  readonly producedAt: number
  readonly recordedAt: number
  readonly parts: string
  readonly partCount: number
  readonly inputs: string
  readonly isMissing: boolean
  readonly expiredAt: number | null
  readonly staleSince: number | null
}

export type Key = Pick<Row, "assetKey" | "partitionId">

const ms = (column: string, name: string) => `(extract(epoch FROM ${column}) * 1000)::float8 AS "${name}"`

const columns = `asset_key AS "assetKey", partition_id AS "partitionId", asset_id AS "assetId",
  partition_key AS "partitionKey", generation, content_generation AS "contentGeneration", workflow, source,
  ${ms("produced_at", "producedAt")}, ${ms("recorded_at", "recordedAt")}, parts::text AS parts,
  part_count AS "partCount", inputs::text AS inputs, is_missing AS "isMissing", ${ms("expired_at", "expiredAt")},
  ${ms("stale_since", "staleSince")}`

const touched = (keys: ReadonlyArray<Key>) =>
  [
    Columns.text(keys.map(({ assetKey }) => assetKey)),
    Columns.text(keys.map(({ partitionId }) => partitionId))
  ] as const

export const read = (sql: SqlClient.SqlClient, keys: ReadonlyArray<Key>) => {
  const [assets, partitions] = touched(keys)
  return sql<Row>`
    SELECT ${sql.literal(columns)} FROM integrity_inventory_v1
    WHERE (asset_key, partition_id) IN (
      SELECT touched.asset_key, touched.partition_id
      FROM unnest(${assets}, ${partitions}) AS touched (asset_key, partition_id))`
}

export const remove = (sql: SqlClient.SqlClient, keys: ReadonlyArray<Key>) => {
  const [assets, partitions] = touched(keys)
  return sql`
    DELETE FROM integrity_inventory_v1
    WHERE (asset_key, partition_id) IN (
      SELECT retired.asset_key, retired.partition_id
      FROM unnest(${assets}, ${partitions}) AS retired (asset_key, partition_id))`
}

export const write = (sql: SqlClient.SqlClient, rows: ReadonlyArray<Row>) => sql`
  INSERT INTO integrity_inventory_v1
    (asset_key, partition_id, asset_id, partition_key, generation, content_generation, workflow, source, produced_at,
      recorded_at, parts, part_count, inputs, is_missing, expired_at, stale_since)
  SELECT asset_key, partition_id, asset_id, partition_key, generation, content_generation, workflow, source,
    produced_at, recorded_at, parts::json, part_count, inputs::json, is_missing, expired_at, stale_since
  FROM unnest(
    ${Columns.text(rows.map((row) => row.assetKey))}, ${Columns.text(rows.map((row) => row.partitionId))},
    ${Columns.text(rows.map((row) => row.assetId))}, ${Columns.text(rows.map((row) => row.partitionKey))},
    ${Columns.int4(rows.map((row) => row.generation))}, ${Columns.int4(rows.map((row) => row.contentGeneration))},
    ${Columns.text(rows.map((row) => row.workflow))}, ${Columns.text(rows.map((row) => row.source))},
    ${Columns.time(rows.map((row) => row.producedAt))}, ${Columns.time(rows.map((row) => row.recordedAt))},
    ${Columns.text(rows.map((row) => row.parts))}, ${Columns.int4(rows.map((row) => row.partCount))},
    ${Columns.text(rows.map((row) => row.inputs))}, ${Columns.bool(rows.map((row) => row.isMissing))},
    ${Columns.time(rows.map((row) => row.expiredAt))}, ${Columns.time(rows.map((row) => row.staleSince))})
    AS made (asset_key, partition_id, asset_id, partition_key, generation, content_generation, workflow, source,
      produced_at, recorded_at, parts, part_count, inputs, is_missing, expired_at, stale_since)
  ON CONFLICT (asset_key, partition_id) DO UPDATE SET
    asset_id = excluded.asset_id, partition_key = excluded.partition_key, generation = excluded.generation,
    content_generation = excluded.content_generation, workflow = excluded.workflow, source = excluded.source,
    produced_at = excluded.produced_at, recorded_at = excluded.recorded_at, parts = excluded.parts,
    part_count = excluded.part_count, inputs = excluded.inputs, is_missing = excluded.is_missing,
    expired_at = excluded.expired_at, stale_since = excluded.stale_since`
