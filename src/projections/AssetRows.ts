import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import * as Columns from "./Columns.ts"

/** What is known of an asset partition, worst first but for the last; `not_materialized`: never produced. */
export type PartitionState = "missing" | "stale" | "expired" | "materialized" | "not_materialized"

/** One row of `asset_list_v2`; times are epoch ms. */
export interface Row {
  readonly assetKey: string
  readonly partitionId: string
  readonly assetId: string
  readonly partitionKey: string
  readonly generation: number
  readonly generations: number
  readonly workflow: string | null
  readonly version: number | null
  readonly stepId: string | null
  readonly runId: string | null
  readonly runPartitionKey: string | null
  readonly source: string | null
  readonly producedAt: number | null
  readonly firstProducedAt: number | null
  readonly firstPosition: string | null
  readonly restored: boolean
  readonly missing: "missing" | "corrupt" | null
  readonly missingSince: number | null
  readonly expiresAt: number | null
  readonly expiredAt: number | null
  readonly staleSince: number | null
  readonly staleNote: string | null
  /** JSON; null: as the table has it. */
  readonly inputs: string | null
  readonly position: string
}

type Key = Pick<Row, "assetKey" | "partitionId">

export const stateOf = (row: Row): PartitionState => {
  if (row.generation === 0) return "not_materialized"
  if (row.missing !== null) return "missing"
  if (row.staleSince !== null) return "stale"
  return row.expiredAt === null ? "materialized" : "expired"
}

const ms = (column: string, name: string) => `(extract(epoch FROM ${column}) * 1000)::float8 AS "${name}"`

const columns = `asset_key AS "assetKey", partition_id AS "partitionId", asset_id AS "assetId",
  partition_key AS "partitionKey", generation, generations, workflow, version, step_id AS "stepId", run_id AS "runId",
  run_partition_key AS "runPartitionKey", source, ${ms("produced_at", "producedAt")},
  ${ms("first_produced_at", "firstProducedAt")}, first_position AS "firstPosition", restored, missing,
  ${ms("missing_since", "missingSince")}, ${ms("expires_at", "expiresAt")}, ${ms("expired_at", "expiredAt")},
  ${ms("stale_since", "staleSince")}, stale_note AS "staleNote", NULL::text AS inputs, position`

export const read = (sql: SqlClient.SqlClient, keys: ReadonlyArray<Key>) => sql<Row>`
  SELECT ${sql.literal(columns)} FROM asset_list_v2
  WHERE (asset_key, partition_id) IN (
    SELECT touched.asset_key, touched.partition_id
    FROM unnest(${Columns.text(keys.map(({ assetKey }) => assetKey))},
      ${Columns.text(keys.map(({ partitionId }) => partitionId))}) AS touched (asset_key, partition_id))`

export const write = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, rows: ReadonlyArray<Row>) {
  const text = (pick: (row: Row) => string | null) => Columns.text(rows.map(pick))
  const int = (pick: (row: Row) => number | null) => Columns.int4(rows.map(pick))
  const time = (pick: (row: Row) => number | null) => Columns.time(rows.map(pick))
  yield* sql`
    INSERT INTO asset_list_v2
      (asset_key, partition_id, asset_id, partition_key, state, generation, generations, workflow, version, step_id,
        run_id, run_partition_key, source, produced_at, first_produced_at, first_position, restored, missing,
        missing_since, expires_at, expired_at, stale_since, stale_note, inputs, position)
    SELECT asset_key, partition_id, asset_id, partition_key, state, generation, generations, workflow, version, step_id,
      run_id, run_partition_key, source, produced_at, first_produced_at, first_position, restored, missing,
      missing_since, expires_at, expired_at, stale_since, stale_note, inputs::json, position
    FROM unnest(
      ${text((row) => row.assetKey)}, ${text((row) => row.partitionId)}, ${text((row) => row.assetId)},
      ${text((row) => row.partitionKey)}, ${text(stateOf)}, ${int((row) => row.generation)},
      ${int((row) => row.generations)}, ${text((row) => row.workflow)}, ${int((row) => row.version)},
      ${text((row) => row.stepId)}, ${text((row) => row.runId)}, ${text((row) => row.runPartitionKey)},
      ${text((row) => row.source)}, ${time((row) => row.producedAt)}, ${time((row) => row.firstProducedAt)},
      ${text((row) => row.firstPosition)}, ${Columns.bool(rows.map((row) => row.restored))},
      ${text((row) => row.missing)}, ${time((row) => row.missingSince)}, ${time((row) => row.expiresAt)},
      ${time((row) => row.expiredAt)}, ${time((row) => row.staleSince)}, ${text((row) => row.staleNote)},
      ${text((row) => row.inputs)}, ${text((row) => row.position)})
      AS asset (asset_key, partition_id, asset_id, partition_key, state, generation, generations, workflow, version,
        step_id, run_id, run_partition_key, source, produced_at, first_produced_at, first_position, restored, missing,
        missing_since, expires_at, expired_at, stale_since, stale_note, inputs, position)
    ON CONFLICT (asset_key, partition_id) DO UPDATE SET
      state = excluded.state, generation = excluded.generation, generations = excluded.generations,
      workflow = excluded.workflow, version = excluded.version, step_id = excluded.step_id, run_id = excluded.run_id,
      run_partition_key = excluded.run_partition_key, source = excluded.source, produced_at = excluded.produced_at,
      first_produced_at = excluded.first_produced_at, first_position = excluded.first_position,
      restored = excluded.restored, missing = excluded.missing, missing_since = excluded.missing_since,
      expires_at = excluded.expires_at, expired_at = excluded.expired_at, stale_since = excluded.stale_since,
      stale_note = excluded.stale_note, inputs = coalesce(excluded.inputs, asset_list_v2.inputs),
      position = excluded.position`
})
