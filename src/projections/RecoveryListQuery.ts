import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Id from "../domain/Id.ts"
import type { Status } from "../domain/recovery/RecoveryState.ts"
import { shownPartition } from "../domain/run/RunView.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import { available } from "./Available.ts"
import { type InvalidCursor, limitOf, markOf, type Page, type PageRequest, pageOf } from "./Page.ts"
import * as RecoveryRows from "./RecoveryRows.ts"

/** What is left out does not filter. */
export interface RecoveryFilter {
  readonly status?: Status | undefined
  /** Compared without case. */
  readonly assetId?: string | undefined
}

/** A recovery as lists show it; the plan and the waiters are read from its own stream. */
export interface RecoveryListItem
  extends Omit<
    RecoveryRows.Row,
    "rootCause" | "partitionKey" | "requestedAt" | "finishedAt" | "backingOff" | "released"
  > {
  readonly partitionKey: string | null
  readonly rootCause: { readonly assetId: string; readonly partitionKey: string | null; readonly why: string } | null
  readonly paused: boolean
  readonly requestedAt: string
  readonly finishedAt: string | null
}

interface Listed extends RecoveryRows.Row {
  readonly at: number
  readonly requestedTime: Date
  readonly finishedTime: Date | null
}

/** Recoveries by the time at which they were requested (reopened ones: last requested), newest first. */
export const list = Effect.fn("RecoveryListQuery.list")(function* (
  filter: RecoveryFilter,
  request: PageRequest
): Effect.fn.Return<Page<RecoveryListItem>, InvalidCursor | LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const mark = yield* markOf(request)
  const limit = limitOf(request)
  const { assetId, status } = filter
  const isOpen = status === "requested" || status === "planned" || status === "running"
  const conditions = [
    sql`true`,
    status === undefined ? null : sql`status = ${status}`,
    // Said again in the index's words, so that the planner knows that the index has all of them.
    isOpen ? sql`status IN ('requested', 'planned', 'running')` : null,
    assetId === undefined ? null : sql`asset_key = ${Id.assetKey(assetId)}`,
    mark === null ? null : sql`(requested_at, id) < (to_timestamp(${mark.at}::float8 / 1000), ${mark.id})`
  ].filter((condition) => condition !== null)
  const rows = yield* available(sql<Listed>`
    SELECT ${sql.literal(RecoveryRows.columns)}, (extract(epoch FROM requested_at) * 1000)::float8 AS at,
      requested_at AS "requestedTime", finished_at AS "finishedTime"
    FROM recovery_list_v1 WHERE ${sql.and(conditions)} ORDER BY requested_at DESC, id DESC LIMIT ${limit + 1}`)
  return pageOf(rows, limit, shown)
})

const shown = (listed: Listed): RecoveryListItem => {
  const { at: _a, backingOff: _b, finishedTime, partitionKey, released: _r, requestedTime, rootCause, ...row } = listed
  return {
    ...row,
    rootCause: rootCause === null ? null : { ...rootCause, partitionKey: shownPartition(rootCause.partitionKey) },
    partitionKey: shownPartition(partitionKey),
    requestedAt: requestedTime.toISOString(),
    finishedAt: finishedTime?.toISOString() ?? null
  }
}
