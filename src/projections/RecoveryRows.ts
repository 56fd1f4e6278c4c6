import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { Failure } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import type { ReasonCode, RecoveryClass, RootCause } from "../domain/recovery/RecoveryEvents.ts"
import type { Status } from "../domain/recovery/RecoveryState.ts"
import * as Columns from "./Columns.ts"

/** One row of `recovery_list_v1`; times are epoch ms. */
export interface Row {
  readonly id: string
  readonly assetId: string
  readonly partitionKey: string
  readonly lostGeneration: number
  readonly status: Status
  readonly backingOff: boolean
  readonly paused: boolean
  readonly class: RecoveryClass | null
  readonly round: number
  readonly attempts: number
  readonly maxAttempts: number
  readonly waiterCount: number
  readonly released: number
  readonly reasonCode: ReasonCode | null
  readonly failure: Failure | null
  readonly rootCause: RootCause | null
  readonly producerRunId: string | null
  readonly via: "producer" | "copy" | "found" | null
  readonly generation: number | null
  readonly contentChanged: boolean | null
  readonly requestedAt: number
  readonly finishedAt: number | null
}

/** The columns as `Row` names them. */
export const columns = `id, asset_id AS "assetId", partition_key AS "partitionKey",
  lost_generation AS "lostGeneration", status, backing_off AS "backingOff", paused, class, round, attempts,
  max_attempts AS "maxAttempts", waiter_count AS "waiterCount", released, reason_code AS "reasonCode", failure,
  root_cause AS "rootCause", producer_run_id AS "producerRunId", via, generation,
  content_changed AS "contentChanged", (extract(epoch FROM requested_at) * 1000)::float8 AS "requestedAt",
  (extract(epoch FROM finished_at) * 1000)::float8 AS "finishedAt"`

export const read = (sql: SqlClient.SqlClient, ids: ReadonlyArray<string>) =>
  sql<Row>`SELECT ${sql.literal(columns)} FROM recovery_list_v1 WHERE id = ANY(${Columns.text(ids)})`

const jsonOf = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))

export const write = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, rows: ReadonlyArray<Row>) {
  if (rows.length === 0) return
  yield* sql`
    INSERT INTO recovery_list_v1
      (id, asset_id, asset_key, partition_key, lost_generation, status, backing_off, class, round, attempts,
        max_attempts, waiter_count, released, reason_code, failure, root_cause, producer_run_id, via, generation,
        content_changed, requested_at, finished_at, paused)
    SELECT id, asset_id, asset_key, partition_key, lost_generation, status, backing_off, class, round, attempts,
      max_attempts, waiter_count, released, reason_code, failure::json, root_cause::json, producer_run_id, via,
      generation, content_changed, requested_at, finished_at, paused
    FROM unnest(
      ${Columns.text(rows.map((row) => row.id))}, ${Columns.text(rows.map((row) => row.assetId))},
      ${Columns.text(rows.map((row) => Id.assetKey(row.assetId)))},
      ${Columns.text(rows.map((row) => row.partitionKey))}, ${Columns.int4(rows.map((row) => row.lostGeneration))},
      ${Columns.text(rows.map((row) => row.status))}, ${Columns.bool(rows.map((row) => row.backingOff))},
      ${Columns.text(rows.map((row) => row.class))}, ${Columns.int4(rows.map((row) => row.round))},
      ${Columns.int4(rows.map((row) => row.attempts))}, ${Columns.int4(rows.map((row) => row.maxAttempts))},
      ${Columns.int4(rows.map((row) => row.waiterCount))}, ${Columns.int4(rows.map((row) => row.released))},
      ${Columns.text(rows.map((row) => row.reasonCode))}, ${Columns.text(rows.map((row) => jsonOf(row.failure)))},
      ${Columns.text(rows.map((row) => jsonOf(row.rootCause)))},
      ${Columns.text(rows.map((row) => row.producerRunId))}, ${Columns.text(rows.map((row) => row.via))},
      ${Columns.int4(rows.map((row) => row.generation))}, ${Columns.bool(rows.map((row) => row.contentChanged))},
      ${Columns.time(rows.map((row) => row.requestedAt))}, ${Columns.time(rows.map((row) => row.finishedAt))},
      ${Columns.bool(rows.map((row) => row.paused))})
      AS recovery (id, asset_id, asset_key, partition_key, lost_generation, status, backing_off, class, round,
        attempts, max_attempts, waiter_count, released, reason_code, failure, root_cause, producer_run_id, via,
        generation, content_changed, requested_at, finished_at, paused)
    ON CONFLICT (id) DO UPDATE SET
      status = excluded.status, backing_off = excluded.backing_off, class = excluded.class, round = excluded.round,
      attempts = excluded.attempts, max_attempts = excluded.max_attempts, waiter_count = excluded.waiter_count,
      released = excluded.released, reason_code = excluded.reason_code, failure = excluded.failure,
      root_cause = excluded.root_cause, producer_run_id = excluded.producer_run_id, via = excluded.via,
      generation = excluded.generation, content_changed = excluded.content_changed,
      requested_at = excluded.requested_at, finished_at = excluded.finished_at,
      paused = excluded.paused`
})
