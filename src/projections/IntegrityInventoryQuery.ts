import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Id from "../domain/Id.ts"
import type { Scope } from "../domain/integrity/Finding.ts"
import type { Part } from "../domain/Production.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import { available } from "./Available.ts"
import * as Columns from "./Columns.ts"

/** Parts of one page, about: rows whose parts would be more are left to the next. */
const partsMax = 5_000
const runsMax = 100

type StoredPart = readonly [store: string, key: string, bytes: number, etag: string, sha256: string, written: boolean]

/** A newer generation of an input, as the page's statement tells it. */
interface Newer {
  readonly assetId: string
  readonly partitionKey: string
  readonly used: number
  readonly generation: number
  readonly recordedAt: number
}

interface Listed {
  readonly assetKey: string
  readonly partitionId: string
  readonly assetId: string
  readonly partitionKey: string
  readonly generation: number
  readonly workflow: string
  readonly source: string | null
  readonly parts: ReadonlyArray<StoredPart>
  readonly isMissing: boolean
  readonly expiredAt: number | null
  readonly staleSince: number | null
  readonly outdatedBy: ReadonlyArray<Newer>
}

/** A page by asset and partition, without case; one row at least, if there is one. */
export const page = Effect.fn("IntegrityInventoryQuery.page")(function* (options: {
  readonly after: readonly [string, string] | null
  readonly limit: number
  readonly scope: Scope
}) {
  const sql = yield* SqlClient.SqlClient
  const { after, limit, scope } = options
  const conditions = [
    sql`true`,
    after === null ? null : sql`(asset_key, partition_id) > (${after[0]}, ${after[1]})`,
    scope.assetIds === undefined
      ? null
      : sql`asset_key IN (SELECT wanted FROM unnest(${Columns.text(scope.assetIds.map(Id.assetKey))}) AS wanted)`,
    scope.partitionKey === undefined ? null : sql`partition_id = ${Id.partitionKey(scope.partitionKey)}`
  ].filter((condition) => condition !== null)
  const rows = yield* available(sql<Listed>`
    WITH candidate AS MATERIALIZED (
      SELECT asset_key, partition_id, asset_id, partition_key, generation, workflow, source, parts, part_count, inputs,
        is_missing, expired_at, stale_since
      FROM integrity_inventory_v1 WHERE ${sql.and(conditions)} ORDER BY asset_key, partition_id LIMIT ${limit + 1}),
    chosen AS (
      SELECT candidate.asset_key, candidate.partition_id, candidate.asset_id, candidate.partition_key,
        candidate.generation, candidate.workflow, candidate.source, candidate.parts, candidate.inputs,
        candidate.is_missing, candidate.expired_at, candidate.stale_since,
        sum(part_count) OVER (ORDER BY asset_key, partition_id) - part_count AS parts_before
      FROM candidate)
    SELECT c.asset_key AS "assetKey", c.partition_id AS "partitionId", c.asset_id AS "assetId",
      c.partition_key AS "partitionKey", c.generation, c.workflow, c.source, c.parts, c.is_missing AS "isMissing",
      (extract(epoch FROM c.expired_at) * 1000)::float8 AS "expiredAt",
      (extract(epoch FROM c.stale_since) * 1000)::float8 AS "staleSince",
      (SELECT coalesce(json_agg(json_build_object('assetId', i.asset_id, 'partitionKey', i.partition_key,
          'used', (used.value ->> 2)::int, 'generation', i.generation,
          'recordedAt', (extract(epoch FROM i.recorded_at) * 1000)::float8)), '[]'::json)
        FROM json_array_elements(c.inputs) AS used (value)
        JOIN integrity_inventory_v1 i ON i.asset_key = used.value ->> 0 AND i.partition_id = used.value ->> 1
        WHERE i.content_generation > (used.value ->> 2)::int) AS "outdatedBy"
    FROM chosen c WHERE c.parts_before < ${partsMax} ORDER BY c.asset_key, c.partition_id`)
  const isWhole = rows.length <= limit
  const shown = isWhole ? rows : rows.slice(0, limit)
  const last = shown[shown.length - 1]
  // A page that was cut off by its parts is not the last one either: whether anything follows, the next one tells.
  const next = last === undefined || (isWhole && shown.length < limit && !isCutOff(shown)) ? null : markOf(last)
  return { rows: shown.filter((row) => hasPartIn(row, scope)).map(rowOf), next }
})

const markOf = ({ assetKey, partitionId }: Listed) => [assetKey, partitionId] as const
const isCutOff = (rows: ReadonlyArray<Listed>) => rows.reduce((sum, { parts }) => sum + parts.length, 0) >= partsMax

const hasPartIn = ({ parts }: Listed, { store }: Scope) =>
  store === undefined || parts.some((part) => part[0] === store)

const rowOf = ({ assetKey: _, partitionId: __, parts, ...row }: Listed) => ({
  ...row,
  parts: parts.map(([store, key, bytes, etag, sha256, written]): Part => ({ store, key, bytes, etag, sha256, written }))
})

/** Which of these partitions were produced; null: one of them, if any was. */
export const recorded = Effect.fn("IntegrityInventoryQuery.recorded")(function* (
  assetId: string,
  partitionIds: ReadonlyArray<string> | null
): Effect.fn.Return<ReadonlySet<string>, LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const among =
    partitionIds === null
      ? sql`true`
      : sql`partition_id IN (SELECT wanted FROM unnest(${Columns.text(partitionIds)}) AS wanted)`
  const limit = partitionIds === null ? 1 : partitionIds.length
  const rows = yield* available(sql<{ readonly partitionId: string }>`
    SELECT partition_id AS "partitionId" FROM integrity_inventory_v1
    WHERE asset_key = ${Id.assetKey(assetId)} AND ${among} LIMIT ${limit}`)
  return new Set(rows.map(({ partitionId }) => partitionId))
})

/** Runs that have not ended, of this partition or of none. */
export const openRuns = Effect.fn("IntegrityInventoryQuery.openRuns")(function* (
  workflow: string,
  partitionKey: string
): Effect.fn.Return<ReadonlyArray<string>, LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* available(sql<{ readonly id: string }>`
    SELECT id FROM run_list_v1_active
    WHERE workflow = ${workflow} AND (partition_key IS NULL OR lower(partition_key) = ${Id.partitionKey(partitionKey)})
    LIMIT ${runsMax}`)
  return rows.map(({ id }) => id)
})
