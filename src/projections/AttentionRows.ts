import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { Kind, Severity } from "../domain/Attention.ts"
import * as Columns from "./Columns.ts"

/** The asset that is to blame, and why. */
export interface RootCause {
  readonly assetId: string
  readonly partitionKey: string
  readonly why: string
}

/** One thing that needs attention, or may again; times are epoch ms. */
export interface Row {
  readonly id: string
  readonly kind: Kind
  readonly open: boolean
  readonly subject: string | null
  readonly reasonCode: string
  readonly message: string
  readonly severity: Severity
  /** How often it has come up. */
  readonly count: number
  readonly since: number
  readonly workflow: string | null
  readonly assetId: string | null
  readonly partitionKey: string | null
  readonly runId: string | null
  readonly recoveryId: string | null
  readonly stepId: string | null
  readonly rootCause: RootCause | null
  /** Steps of the run that have waited for too long. */
  readonly waiting: ReadonlyArray<string>
  readonly mutedUntil: number | null
  readonly mutedReason: string | null
  readonly mutedBy: string | null
}

/** What is known of a run that has not ended well. */
export interface RunFacts {
  readonly runId: string
  readonly workflow: string
  readonly partitionKey: string | null
  readonly triggerType: string
  readonly subject: string | null
}

/** The columns as `Row` names them. */
export const columns = `id, kind, open, subject, reason_code AS "reasonCode", message, severity, count,
  (extract(epoch FROM since) * 1000)::float8 AS since, workflow, asset_id AS "assetId",
  partition_key AS "partitionKey", run_id AS "runId", recovery_id AS "recoveryId", step_id AS "stepId",
  root_cause AS "rootCause", waiting, (extract(epoch FROM muted_until) * 1000)::float8 AS "mutedUntil",
  muted_reason AS "mutedReason", muted_by AS "mutedBy"`

/** Every row's id and subject: what an event is held against before anything else is read. */
export const keys = (sql: SqlClient.SqlClient) => sql<Pick<Row, "id" | "subject">>`SELECT id, subject FROM attention_v1`

export const read = (sql: SqlClient.SqlClient, ids: ReadonlyArray<string>) =>
  sql<Row>`SELECT ${sql.literal(columns)} FROM attention_v1 WHERE id = ANY(${Columns.text(ids)})`

export const readRuns = (sql: SqlClient.SqlClient, runIds: ReadonlyArray<string>) => sql<RunFacts>`
  SELECT run_id AS "runId", workflow, partition_key AS "partitionKey", trigger_type AS "triggerType", subject
  FROM attention_v1_runs WHERE run_id = ANY(${Columns.text(runIds)})`

const jsonOf = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))

export const write = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, rows: ReadonlyArray<Row>) {
  if (rows.length === 0) return
  yield* sql`
    INSERT INTO attention_v1
      (id, kind, open, subject, reason_code, message, severity, count, since, workflow, asset_id, partition_key, run_id,
        recovery_id, step_id, root_cause, waiting, muted_until, muted_reason, muted_by)
    SELECT id, kind, open, subject, reason_code, message, severity, count, since, workflow, asset_id, partition_key,
      run_id, recovery_id, step_id, root_cause::json, waiting::json, muted_until, muted_reason, muted_by
    FROM unnest(
      ${Columns.text(rows.map((row) => row.id))}, ${Columns.text(rows.map((row) => row.kind))},
      ${Columns.bool(rows.map((row) => row.open))}, ${Columns.text(rows.map((row) => row.subject))},
      ${Columns.text(rows.map((row) => row.reasonCode))}, ${Columns.text(rows.map((row) => row.message))},
      ${Columns.text(rows.map((row) => row.severity))}, ${Columns.int4(rows.map((row) => row.count))},
      ${Columns.time(rows.map((row) => row.since))}, ${Columns.text(rows.map((row) => row.workflow))},
      ${Columns.text(rows.map((row) => row.assetId))}, ${Columns.text(rows.map((row) => row.partitionKey))},
      ${Columns.text(rows.map((row) => row.runId))}, ${Columns.text(rows.map((row) => row.recoveryId))},
      ${Columns.text(rows.map((row) => row.stepId))}, ${Columns.text(rows.map((row) => jsonOf(row.rootCause)))},
      ${Columns.text(rows.map((row) => JSON.stringify(row.waiting)))},
      ${Columns.time(rows.map((row) => row.mutedUntil))}, ${Columns.text(rows.map((row) => row.mutedReason))},
      ${Columns.text(rows.map((row) => row.mutedBy))})
      AS item (id, kind, open, subject, reason_code, message, severity, count, since, workflow, asset_id,
        partition_key, run_id, recovery_id, step_id, root_cause, waiting, muted_until, muted_reason, muted_by)
    ON CONFLICT (id) DO UPDATE SET
      open = excluded.open, subject = excluded.subject, reason_code = excluded.reason_code,
      message = excluded.message, severity = excluded.severity, count = excluded.count, since = excluded.since,
      workflow = excluded.workflow, asset_id = excluded.asset_id, partition_key = excluded.partition_key,
      run_id = excluded.run_id, recovery_id = excluded.recovery_id, step_id = excluded.step_id,
      root_cause = excluded.root_cause, waiting = excluded.waiting, muted_until = excluded.muted_until,
      muted_reason = excluded.muted_reason, muted_by = excluded.muted_by`
})

export const remove = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, ids: ReadonlyArray<string>) {
  if (ids.length > 0) yield* sql`DELETE FROM attention_v1 WHERE id = ANY(${Columns.text(ids)})`
})

export const writeRuns = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, runs: ReadonlyArray<RunFacts>) {
  if (runs.length === 0) return
  yield* sql`
    INSERT INTO attention_v1_runs (run_id, workflow, partition_key, trigger_type, subject)
    SELECT run_id, workflow, partition_key, trigger_type, subject FROM unnest(
      ${Columns.text(runs.map((run) => run.runId))}, ${Columns.text(runs.map((run) => run.workflow))},
      ${Columns.text(runs.map((run) => run.partitionKey))}, ${Columns.text(runs.map((run) => run.triggerType))},
      ${Columns.text(runs.map((run) => run.subject))}) AS run (run_id, workflow, partition_key, trigger_type, subject)
    ON CONFLICT (run_id) DO NOTHING`
})

export const removeRuns = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, runIds: ReadonlyArray<string>) {
  if (runIds.length > 0) yield* sql`DELETE FROM attention_v1_runs WHERE run_id = ANY(${Columns.text(runIds)})`
})
