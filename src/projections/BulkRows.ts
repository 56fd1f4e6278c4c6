import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { Action, Target } from "../domain/bulk/BulkEvents.ts"
import type { Status } from "../domain/bulk/BulkState.ts"
import * as Columns from "./Columns.ts"

/** One row of `bulk_list_v1`; times are epoch ms. */
export interface Row {
  readonly id: string
  readonly target: Target
  readonly action: Action
  readonly status: Status
  readonly reason: string
  readonly principal: string | null
  readonly total: number
  readonly done: number
  readonly skipped: number
  readonly failed: number
  readonly canary: number
  readonly requestedAt: number
  readonly endedAt: number | null
}

/** The columns as `Row` names them. */
export const columns = `id, target, action, status, reason, principal, total, done, skipped, failed, canary,
  (extract(epoch FROM requested_at) * 1000)::float8 AS "requestedAt",
  (extract(epoch FROM ended_at) * 1000)::float8 AS "endedAt"`

export const read = (sql: SqlClient.SqlClient, ids: ReadonlyArray<string>) =>
  sql<Row>`SELECT ${sql.literal(columns)} FROM bulk_list_v1 WHERE id = ANY(${Columns.text(ids)})`

export const write = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, rows: ReadonlyArray<Row>) {
  if (rows.length === 0) return
  const text = (of: (row: Row) => string | null) => Columns.text(rows.map(of))
  const int4 = (of: (row: Row) => number) => Columns.int4(rows.map(of))
  yield* sql`
    INSERT INTO bulk_list_v1
      (id, target, action, status, reason, principal, total, done, skipped, failed, canary, requested_at, ended_at)
    SELECT id, target, action, status, reason, principal, total, done, skipped, failed, canary, requested_at, ended_at
    FROM unnest(
      ${text(({ id }) => id)}, ${text(({ target }) => target)}, ${text(({ action }) => action)},
      ${text(({ status }) => status)}, ${text(({ reason }) => reason)}, ${text(({ principal }) => principal)},
      ${int4(({ total }) => total)}, ${int4(({ done }) => done)}, ${int4(({ skipped }) => skipped)},
      ${int4(({ failed }) => failed)}, ${int4(({ canary }) => canary)},
      ${Columns.time(rows.map(({ requestedAt }) => requestedAt))}, ${Columns.time(rows.map(({ endedAt }) => endedAt))})
      AS bulk (id, target, action, status, reason, principal, total, done, skipped, failed, canary, requested_at,
        ended_at)
    ON CONFLICT (id) DO UPDATE SET
      status = excluded.status, done = excluded.done, skipped = excluded.skipped, failed = excluded.failed,
      ended_at = excluded.ended_at`
})
