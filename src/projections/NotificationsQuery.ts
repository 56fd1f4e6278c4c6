import { Clock, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { Fragment } from "effect/sql/Statement"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import { available } from "./Available.ts"
import * as Columns from "./Columns.ts"
import { type Kind, interruptedId } from "./Notifications.ts"
import { type InvalidCursor, limitOf, markOf, type Page, type PageRequest, pageOf } from "./Page.ts"

/** No notification has this id. */
export class UnknownNotification extends Schema.TaggedError<UnknownNotification>()("UnknownNotification", {
  id: Schema.String
}) {}

export interface Notification {
  readonly id: string
  readonly kind: Kind
  readonly message: string
  readonly runId?: string
  readonly recoveryId?: string
  readonly workflow?: string
  readonly stepId?: string
  readonly at: string
  /** null: nobody has read it. */
  readonly readAt: string | null
  readonly data: unknown
}

/** `data` of a restart's summary. */
export interface InterruptedSummary {
  readonly processId: string
  readonly total: number
  readonly recovered: number
  readonly failed: number
  readonly canceled: number
  /** The first 100; `outcome` null: the run goes on. */
  readonly runs: ReadonlyArray<{ readonly runId: string; readonly outcome: string | null }>
}

interface Row {
  readonly id: string
  readonly kind: Kind
  readonly message: string
  readonly runId: string | null
  readonly recoveryId: string | null
  readonly workflow: string | null
  readonly stepId: string | null
  readonly time: Date
  readonly at: number
  readonly readAt: Date | null
  readonly data: unknown
}

const runsListedMax = 100

/** Newest first. `unread`: only those that nobody has read. */
export const list = Effect.fn("NotificationsQuery.list")(function* (
  filter: { readonly unread?: boolean | undefined },
  request: PageRequest
): Effect.fn.Return<Page<Notification>, InvalidCursor | LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const mark = yield* markOf(request)
  const limit = limitOf(request)
  const conditions = [
    sql`true`,
    filter.unread === true ? sql`r.read_at IS NULL` : null,
    mark === null ? null : sql`(n.at, n.id) < (to_timestamp(${mark.at}::float8 / 1000), ${mark.id})`
  ].filter((condition) => condition !== null)
  const { rows, summaries } = yield* select(sql, conditions, limit + 1)
  return pageOf(rows, limit, (row) => shown(row, summaries.get(row.id)))
})

/** One notification; null: there is none with this id. */
export const read = Effect.fn("NotificationsQuery.read")(function* (
  id: string
): Effect.fn.Return<Notification | null, LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const { rows, summaries } = yield* select(sql, [sql`n.id = ${id}`], 1)
  const [row] = rows
  return row === undefined ? null : shown(row, summaries.get(row.id))
})

const select = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  conditions: ReadonlyArray<Fragment>,
  limit: number
) {
  const rows = yield* available(sql<Row>`
    SELECT n.id, n.kind, n.message, n.run_id AS "runId", n.recovery_id AS "recoveryId", n.step_id AS "stepId",
      coalesce(n.workflow, active.workflow, ended.workflow) AS workflow, n.at AS time,
      (extract(epoch FROM n.at) * 1000)::float8 AS at, r.read_at AS "readAt", n.data
    FROM notifications_v1 n
    LEFT JOIN notification_reads r ON r.notification_id = n.id
    -- The run knows its workflow; its event does not say it.
    LEFT JOIN run_list_v1_active active ON active.id = n.run_id
    LEFT JOIN run_list_v1_ended ended ON ended.id = n.run_id
    WHERE ${sql.and(conditions)} ORDER BY n.at DESC, n.id DESC LIMIT ${limit}`)
  const summaries = yield* available(
    readSummaries(
      sql,
      rows.filter(({ kind }) => kind === "runs_interrupted").map(({ data }) => (data as InterruptedSummary).processId)
    )
  )
  return { rows, summaries }
})

/** Marks it as read; the first reader's time stays. */
export const markRead = Effect.fn("NotificationsQuery.markRead")(function* (
  id: string
): Effect.fn.Return<void, UnknownNotification | LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Clock.currentTimeMillis
  const [found] = yield* available(sql`SELECT id FROM notifications_v1 WHERE id = ${id}`)
  if (found === undefined) return yield* new UnknownNotification({ id })
  yield* available(sql`
    INSERT INTO notification_reads (notification_id, read_at) VALUES (${id}, to_timestamp(${now}::float8 / 1000))
    ON CONFLICT (notification_id) DO NOTHING`)
})

interface Counted {
  readonly processId: string
  readonly total: number
  readonly recovered: number
  readonly failed: number
  readonly canceled: number
}

const readSummaries = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, processIds: ReadonlyArray<string>) {
  const summaries = new Map<string, InterruptedSummary>()
  if (processIds.length === 0) return summaries
  const counted = yield* sql<Counted>`
    SELECT process_id AS "processId", count(*)::int AS total,
      count(*) FILTER (WHERE outcome = 'recovered')::int AS recovered,
      count(*) FILTER (WHERE outcome = 'failed')::int AS failed,
      count(*) FILTER (WHERE outcome = 'canceled')::int AS canceled
    FROM notifications_v1_interrupted WHERE process_id = ANY(${Columns.text(processIds)}) GROUP BY process_id`
  const listed = yield* sql<{ processId: string; runId: string; outcome: string | null }>`
    SELECT process_id AS "processId", run_id AS "runId", outcome FROM (
      SELECT process_id, run_id, outcome, position,
        row_number() OVER (PARTITION BY process_id ORDER BY position, run_id) AS ordinal
      FROM notifications_v1_interrupted WHERE process_id = ANY(${Columns.text(processIds)})
    ) AS cut WHERE ordinal <= ${runsListedMax} ORDER BY process_id, ordinal`
  for (const summary of counted) {
    const runs = listed.filter(({ processId }) => processId === summary.processId)
    summaries.set(interruptedId(summary.processId), {
      ...summary,
      runs: runs.map(({ outcome, runId }) => ({ runId, outcome }))
    })
  }
  return summaries
})

const shown = (row: Row, summary: InterruptedSummary | undefined): Notification => ({
  id: row.id,
  kind: row.kind,
  message: summary === undefined ? row.message : summaryMessage(summary.total),
  ...(row.runId === null ? {} : { runId: row.runId }),
  ...(row.recoveryId === null ? {} : { recoveryId: row.recoveryId }),
  ...(row.workflow === null ? {} : { workflow: row.workflow }),
  ...(row.stepId === null ? {} : { stepId: row.stepId }),
  at: row.time.toISOString(),
  readAt: row.readAt?.toISOString() ?? null,
  data: summary ?? row.data
})

const summaryMessage = (total: number): string =>
  total === 1 ? "1 run was interrupted by a restart" : `${total} runs were interrupted by a restart`
