import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Id from "../domain/Id.ts"
import { type LogUnavailable, Position } from "../eventstore/EventStore.ts"
import { Schema } from "effect"
import { available } from "./Available.ts"
import { InvalidCursor, limitOf, type Page, type PageRequest } from "./Page.ts"

/** Where a production is: in which stream, and at which version. */
export interface Production {
  readonly streamName: string
  readonly streamVersion: number
}

interface Row {
  readonly partitionId: string
  readonly streamVersion: number
  readonly position: string
}

/** Productions of an asset (of all partitions, or of one), newest first in the order of the log. */
export const list = Effect.fn("AssetHistoryQuery.list")(function* (
  asset: { readonly assetId: string; readonly partitionKey?: string | undefined },
  request: PageRequest
): Effect.fn.Return<Page<Production>, InvalidCursor | LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const { assetId, partitionKey } = asset
  const { cursor } = request
  if (cursor !== undefined && !Schema.is(Position)(cursor)) return yield* new InvalidCursor({ cursor })
  const limit = limitOf(request)
  const conditions = [
    sql`asset_key = ${Id.assetKey(assetId)}`,
    partitionKey === undefined ? null : sql`partition_id = ${Id.partitionKey(partitionKey)}`,
    cursor === undefined ? null : sql`position < ${cursor}`
  ].filter((condition) => condition !== null)
  const rows = yield* available(sql<Row>`
    SELECT partition_id AS "partitionId", stream_version AS "streamVersion", position FROM asset_list_v2_history
    WHERE ${sql.and(conditions)} ORDER BY position DESC LIMIT ${limit + 1}`)
  const data = rows.slice(0, limit)
  return {
    data: data.map(({ partitionId, streamVersion }) => ({
      streamName: `asset-${Id.asset(assetId, partitionId)}`,
      streamVersion
    })),
    nextCursor: rows.length > limit ? (data.at(-1)?.position ?? null) : null
  }
})
