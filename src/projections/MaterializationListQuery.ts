import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import * as Id from "../domain/Id.ts"
import { type LogUnavailable, Position } from "../eventstore/EventStore.ts"
import { available } from "./Available.ts"
import { InvalidCursor, limitOf, type Page, type PageRequest } from "./Page.ts"

interface Row {
  readonly partitionKey: string
  readonly position: string
}

/** The partitions of a workflow ("": none) that automatic runs were decided on, the newest decision first. */
export const list = Effect.fn("MaterializationListQuery.list")(function* (
  workflow: string,
  request: PageRequest
): Effect.fn.Return<Page<string>, InvalidCursor | LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const { cursor } = request
  if (cursor !== undefined && !Schema.is(Position)(cursor)) return yield* new InvalidCursor({ cursor })
  const limit = limitOf(request)
  const before = cursor === undefined ? sql`true` : sql`position < ${cursor}`
  const rows = yield* available(sql<Row>`
    SELECT partition_key AS "partitionKey", position FROM materialization_list_v1
    WHERE workflow = ${workflow} AND ${before} ORDER BY position DESC LIMIT ${limit + 1}`)
  const data = rows.slice(0, limit)
  return {
    data: data.map(({ partitionKey }) => partitionKey),
    nextCursor: rows.length > limit ? (data.at(-1)?.position ?? null) : null
  }
})

interface Due {
  readonly partitionKey: string
  readonly at: Date
}

/**
 * When the workflow is next refreshed because something that it made expires, ISO 8601, by the partition of the run
 * ("": none) in lower case. `assetIds`: the assets whose expiry starts a run; `partitionKey` narrows to one.
 */
export const nextRefresh = Effect.fn("MaterializationListQuery.nextRefresh")(function* (
  workflow: string,
  assetIds: ReadonlyArray<string>,
  partitionKeys: ReadonlyArray<string> | undefined
): Effect.fn.Return<ReadonlyMap<string, string>, LogUnavailable, SqlClient.SqlClient> {
  if (assetIds.length === 0) return new Map()
  const sql = yield* SqlClient.SqlClient
  const among =
    partitionKeys === undefined
      ? sql`true`
      : sql`lower(coalesce(run_partition_key, '') COLLATE "C") IN ${sql.in(["", ...partitionKeys.map(Id.partitionKey)])}`
  const rows = yield* available(sql<Due>`
    SELECT lower(coalesce(run_partition_key, '') COLLATE "C") AS "partitionKey", min(expires_at) AS at
    FROM asset_list_v2
    WHERE workflow = ${workflow} AND expires_at IS NOT NULL AND ${among}
      AND asset_key IN ${sql.in(assetIds.map(Id.assetKey))}
    GROUP BY 1`)
  return new Map(rows.map(({ at, partitionKey }) => [partitionKey, at.toISOString()]))
})
