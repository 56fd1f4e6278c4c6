import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import * as Id from "../domain/Id.ts"
import { type LogUnavailable, Position } from "../eventstore/EventStore.ts"
import { available } from "./Available.ts"
import * as Columns from "./Columns.ts"
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
 * When the workflow is next refreshed because something that it made expires, ISO 8601: of all its partitions, and of
 * each of those asked for ("": none), by the key in lower case. `assetIds`: the assets whose expiry starts a run.
 */
export const nextRefresh = Effect.fn("MaterializationListQuery.nextRefresh")(function* (
  workflow: string,
  assetIds: ReadonlyArray<string>,
  partitionKeys: ReadonlyArray<string>
): Effect.fn.Return<
  { readonly next: string | null; readonly byPartition: ReadonlyMap<string, string> },
  LogUnavailable,
  SqlClient.SqlClient
> {
  if (assetIds.length === 0) return { next: null, byPartition: new Map() }
  const sql = yield* SqlClient.SqlClient
  const expiring = sql`workflow = ${workflow} AND expires_at IS NOT NULL
    AND asset_key = ANY(${Columns.text(assetIds.map(Id.assetKey))})`
  const [first] = yield* available(sql<{ readonly at: Date }>`
    SELECT expires_at AS at FROM asset_list_v2 WHERE ${expiring} ORDER BY expires_at LIMIT 1`)
  const rows = yield* available(sql<Due>`
    SELECT lower(coalesce(run_partition_key, '') COLLATE "C") AS "partitionKey", min(expires_at) AS at
    FROM asset_list_v2
    WHERE ${expiring} AND lower(coalesce(run_partition_key, '') COLLATE "C")
      = ANY(${Columns.text(partitionKeys.map(Id.partitionKey))})
    GROUP BY 1`)
  return {
    next: first?.at.toISOString() ?? null,
    byPartition: new Map(rows.map(({ at, partitionKey }) => [partitionKey, at.toISOString()]))
  }
})
