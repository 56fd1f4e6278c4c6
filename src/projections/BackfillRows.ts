import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { Status } from "../domain/backfill/BackfillState.ts"
import * as Columns from "./Columns.ts"

/** One row of `backfill_list_v1`; times are epoch ms. `started`: partitions whose turn has come. */
export interface Row {
  readonly id: string
  readonly workflow: string
  readonly assetId: string | null
  readonly status: Status
  readonly reason: string
  readonly concurrency: number
  readonly canary: number
  readonly onlyMissing: boolean
  readonly total: number
  readonly started: number
  readonly succeeded: number
  readonly failed: number
  readonly canceled: number
  readonly skipped: number
  readonly failedCanary: string | null
  readonly requestedAt: number
  readonly finishedAt: number | null
}

/** A run that did not succeed; `outcome` null: it did after all. */
export interface Failure {
  readonly id: string
  readonly runId: string
  readonly outcome: "failed" | "canceled" | null
}

/** The columns as `Row` names them. */
export const columns = `id, workflow, asset_id AS "assetId", status, reason, concurrency, canary,
  only_missing AS "onlyMissing", total, started, succeeded, failed, canceled, skipped,
  failed_canary AS "failedCanary", (extract(epoch FROM requested_at) * 1000)::float8 AS "requestedAt",
  (extract(epoch FROM finished_at) * 1000)::float8 AS "finishedAt"`

export const read = (sql: SqlClient.SqlClient, ids: ReadonlyArray<string>) =>
  sql<Row>`SELECT ${sql.literal(columns)} FROM backfill_list_v1 WHERE id = ANY(${Columns.text(ids)})`

/** The failures among these runs of these backfills, as far as they are known. */
export const readFailures = (sql: SqlClient.SqlClient, ids: ReadonlyArray<string>, runIds: ReadonlyArray<string>) =>
  sql<Failure>`
    SELECT id, run_id AS "runId", outcome FROM backfill_list_v1_failures
    WHERE id = ANY(${Columns.text(ids)}) AND run_id = ANY(${Columns.text(runIds)})`

export const writeFailures = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, failures: ReadonlyArray<Failure>) {
  const gone = failures.filter(({ outcome }) => outcome === null)
  const found = failures.filter(({ outcome }) => outcome !== null)
  if (gone.length > 0) {
    yield* sql`
      DELETE FROM backfill_list_v1_failures AS known USING unnest(
        ${Columns.text(gone.map(({ id }) => id))}, ${Columns.text(gone.map(({ runId }) => runId))}) AS gone (id, run_id)
      WHERE known.id = gone.id AND known.run_id = gone.run_id`
  }
  if (found.length > 0) {
    yield* sql`
      INSERT INTO backfill_list_v1_failures (id, run_id, outcome)
      SELECT id, run_id, outcome FROM unnest(
        ${Columns.text(found.map(({ id }) => id))}, ${Columns.text(found.map(({ runId }) => runId))},
        ${Columns.text(found.map(({ outcome }) => outcome))}) AS failure (id, run_id, outcome)
      ON CONFLICT (id, run_id) DO UPDATE SET outcome = excluded.outcome`
  }
})

export const write = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, rows: ReadonlyArray<Row>) {
  if (rows.length === 0) return
  const text = (of: (row: Row) => string | null) => Columns.text(rows.map(of))
  const int4 = (of: (row: Row) => number) => Columns.int4(rows.map(of))
  yield* sql`
    INSERT INTO backfill_list_v1
      (id, workflow, asset_id, status, reason, concurrency, canary, only_missing, total, started, succeeded, failed,
        canceled, skipped, failed_canary, requested_at, finished_at)
    SELECT id, workflow, asset_id, status, reason, concurrency, canary, only_missing, total, started, succeeded, failed,
      canceled, skipped, failed_canary, requested_at, finished_at
    FROM unnest(
      ${text(({ id }) => id)}, ${text(({ workflow }) => workflow)}, ${text(({ assetId }) => assetId)},
      ${text(({ status }) => status)}, ${text(({ reason }) => reason)}, ${int4(({ concurrency }) => concurrency)},
      ${int4(({ canary }) => canary)}, ${Columns.bool(rows.map(({ onlyMissing }) => onlyMissing))},
      ${int4(({ total }) => total)}, ${int4(({ started }) => started)}, ${int4(({ succeeded }) => succeeded)},
      ${int4(({ failed }) => failed)}, ${int4(({ canceled }) => canceled)}, ${int4(({ skipped }) => skipped)},
      ${text(({ failedCanary }) => failedCanary)}, ${Columns.time(rows.map(({ requestedAt }) => requestedAt))},
      ${Columns.time(rows.map(({ finishedAt }) => finishedAt))})
      AS backfill (id, workflow, asset_id, status, reason, concurrency, canary, only_missing, total, started, succeeded,
        failed, canceled, skipped, failed_canary, requested_at, finished_at)
    ON CONFLICT (id) DO UPDATE SET
      status = excluded.status, started = excluded.started, succeeded = excluded.succeeded, failed = excluded.failed,
      canceled = excluded.canceled, skipped = excluded.skipped, failed_canary = excluded.failed_canary,
      finished_at = excluded.finished_at`
})
