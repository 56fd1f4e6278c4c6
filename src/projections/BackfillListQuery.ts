import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Status } from "../domain/backfill/BackfillState.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import { available } from "./Available.ts"
import * as BackfillRows from "./BackfillRows.ts"
import { type InvalidCursor, limitOf, markOf, type Page, type PageRequest, pageOf } from "./Page.ts"

/** What is left out does not filter. */
export interface BackfillFilter {
  readonly status?: Status | undefined
  readonly workflow?: string | undefined
}

/** A backfill as lists show it; its failures and runs are read from its own stream. */
export interface BackfillListItem extends Omit<BackfillRows.Row, "started" | "requestedAt" | "finishedAt"> {
  readonly running: number
  readonly waiting: number
  readonly requestedAt: string
  readonly finishedAt: string | null
}

interface Listed extends BackfillRows.Row {
  readonly at: number
  readonly requestedTime: Date
  readonly finishedTime: Date | null
}

/** Backfills by the time at which they were requested, newest first. */
export const list = Effect.fn("BackfillListQuery.list")(function* (
  { status, workflow }: BackfillFilter,
  request: PageRequest
): Effect.fn.Return<Page<BackfillListItem>, InvalidCursor | LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const mark = yield* markOf(request)
  const limit = limitOf(request)
  const conditions = [
    sql`true`,
    status === undefined ? null : sql`status = ${status}`,
    workflow === undefined ? null : sql`workflow = ${workflow}`,
    mark === null ? null : sql`(requested_at, id) < (to_timestamp(${mark.at}::float8 / 1000), ${mark.id})`
  ].filter((condition) => condition !== null)
  const rows = yield* available(sql<Listed>`
    SELECT ${sql.literal(BackfillRows.columns)}, (extract(epoch FROM requested_at) * 1000)::float8 AS at,
      requested_at AS "requestedTime", finished_at AS "finishedTime"
    FROM backfill_list_v1 WHERE ${sql.and(conditions)} ORDER BY requested_at DESC, id DESC LIMIT ${limit + 1}`)
  return pageOf(rows, limit, shown)
})

const shown = (listed: Listed): BackfillListItem => {
  const { at: _a, finishedTime, requestedTime, started, ...row } = listed
  const { canceled, failed, skipped, succeeded, total } = row
  return {
    ...row,
    running: started - succeeded - failed - canceled - skipped,
    waiting: total - started,
    requestedAt: requestedTime.toISOString(),
    finishedAt: finishedTime?.toISOString() ?? null
  }
}
