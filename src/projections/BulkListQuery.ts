import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Action, Target } from "../domain/bulk/BulkEvents.ts"
import type { Status } from "../domain/bulk/BulkState.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import { available } from "./Available.ts"
import * as BulkRows from "./BulkRows.ts"
import { type InvalidCursor, limitOf, markOf, type Page, type PageRequest, pageOf } from "./Page.ts"

/** What is left out does not filter. */
export interface BulkFilter {
  readonly status?: Status | undefined
  readonly target?: Target | undefined
  readonly action?: Action | undefined
}

/** A bulk operation as lists show it; its items are read from its own stream. */
export interface BulkListItem extends Omit<BulkRows.Row, "requestedAt" | "endedAt"> {
  readonly requestedAt: string
  readonly endedAt: string | null
}

interface Listed extends BulkRows.Row {
  readonly at: number
  readonly requestedTime: Date
  readonly endedTime: Date | null
}

/** Bulk operations by the time at which they were requested, newest first. */
export const list = Effect.fn("BulkListQuery.list")(function* (
  { action, status, target }: BulkFilter,
  request: PageRequest
): Effect.fn.Return<Page<BulkListItem>, InvalidCursor | LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const mark = yield* markOf(request)
  const limit = limitOf(request)
  const conditions = [
    sql`true`,
    status === undefined ? null : sql`status = ${status}`,
    target === undefined ? null : sql`target = ${target}`,
    action === undefined ? null : sql`action = ${action}`,
    mark === null ? null : sql`(requested_at, id) < (to_timestamp(${mark.at}::float8 / 1000), ${mark.id})`
  ].filter((condition) => condition !== null)
  const rows = yield* available(sql<Listed>`
    SELECT ${sql.literal(BulkRows.columns)}, (extract(epoch FROM requested_at) * 1000)::float8 AS at,
      requested_at AS "requestedTime", ended_at AS "endedTime"
    FROM bulk_list_v1 WHERE ${sql.and(conditions)} ORDER BY requested_at DESC, id DESC LIMIT ${limit + 1}`)
  return pageOf(rows, limit, shown)
})

const shown = ({ at: _at, endedTime, requestedTime, ...row }: Listed): BulkListItem => ({
  ...row,
  requestedAt: requestedTime.toISOString(),
  endedAt: endedTime?.toISOString() ?? null
})
