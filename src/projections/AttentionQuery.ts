import { Clock, Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Fragment } from "effect/sql/Statement"
import type { Kind, Severity } from "../domain/Attention.ts"
import * as Id from "../domain/Id.ts"
import { shownPartition } from "../domain/run/RunView.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import * as AttentionAdvice from "./AttentionAdvice.ts"
import type * as AttentionRows from "./AttentionRows.ts"
import { available } from "./Available.ts"
import { type InvalidCursor, limitOf, markOf, type Page, type PageRequest, pageOf } from "./Page.ts"

/** What is left out does not filter; muted things are left out unless they are asked for. */
export interface AttentionFilter {
  readonly kind?: Kind | undefined
  readonly severity?: Severity | undefined
  readonly reasonCode?: string | undefined
  readonly workflow?: string | undefined
  /** Compared without case. */
  readonly assetId?: string | undefined
  readonly muted?: "true" | "false" | "all" | undefined
}

export interface AttentionItem {
  readonly id: string
  readonly kind: Kind
  readonly severity: Severity
  readonly reasonCode: string
  readonly message: string
  readonly since: string
  /** How often it has come up; from the third time on it is critical. */
  readonly count: number
  readonly workflow: string | null
  readonly assetId: string | null
  readonly partitionKey: string | null
  readonly runId: string | null
  readonly recoveryId: string | null
  readonly stepId: string | null
  /** The ancestor that is to blame. */
  readonly rootCause: { readonly assetId: string; readonly partitionKey: string | null; readonly why: string } | null
  readonly muted: { readonly until: string; readonly reason: string; readonly by: string | null } | null
  readonly action: AttentionAdvice.Action
}

interface Listed extends AttentionRows.Row {
  readonly at: number
  readonly time: Date
  readonly mutedTime: Date | null
}

/** What needs a human, newest first. */
export const list = Effect.fn("AttentionQuery.list")(function* (
  filter: AttentionFilter,
  request: PageRequest
): Effect.fn.Return<Page<AttentionItem>, InvalidCursor | LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const mark = yield* markOf(request)
  const limit = limitOf(request)
  const now = yield* Clock.currentTimeMillis
  const { assetId, kind, muted = "false", reasonCode, severity, workflow } = filter
  const isMuted = sql`coalesce(a.muted_until > to_timestamp(${now}::float8 / 1000), false)`
  const conditions = [
    kind === undefined ? null : sql`a.kind = ${kind}`,
    severity === undefined ? null : sql`a.severity = ${severity}`,
    reasonCode === undefined ? null : sql`a.reason_code = ${reasonCode}`,
    assetId === undefined ? null : sql`lower(a.asset_id COLLATE "C") = ${Id.assetKey(assetId)}`,
    muted === "all" ? null : muted === "true" ? isMuted : sql`NOT ${isMuted}`,
    mark === null ? null : sql`(a.since, a.id) < (to_timestamp(${mark.at}::float8 / 1000), ${mark.id})`
  ].filter((condition) => condition !== null)
  return pageOf(yield* select(sql, conditions, limit + 1, workflow), limit, (row) => shown(row, now))
})

/** One thing that needs attention now, muted or not; null: there is none with this id. */
export const read = Effect.fn("AttentionQuery.read")(function* (
  id: string
): Effect.fn.Return<AttentionItem | null, LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Clock.currentTimeMillis
  const [row] = yield* select(sql, [sql`a.id = ${id}`], 1)
  return row === undefined ? null : shown(row, now)
})

/** The ids of a page come first, each kind of row by an index; what else is shown is looked up for those alone. */
const select = (sql: SqlClient.SqlClient, conditions: ReadonlyArray<Fragment>, limit: number, workflow?: string) => {
  const page = (own: ReadonlyArray<Fragment>) =>
    sql`(SELECT a.id FROM attention_v1 a WHERE a.open AND ${sql.and([sql`true`, ...conditions, ...own])}
      ORDER BY a.since DESC, a.id DESC LIMIT ${limit})`
  const hasRun = (half: "active" | "ended", slug: string) =>
    sql`EXISTS (SELECT FROM ${sql.literal(`run_list_v1_${half}`)} r WHERE r.id = a.run_id AND r.workflow = ${slug})`
  const pages =
    workflow === undefined
      ? page([])
      : sql`${page([sql`a.workflow = ${workflow}`])} UNION ALL ${page([
          // Few: most rows say their workflow themselves.
          sql`a.workflow IS NULL AND a.run_id IS NOT NULL`,
          sql.or([hasRun("active", workflow), hasRun("ended", workflow)])
        ])}`
  return available(sql<Listed>`
    SELECT a.id, a.kind, a.open, a.subject, a.reason_code AS "reasonCode", a.message, a.severity, a.count,
      coalesce(a.workflow, active.workflow, ended.workflow) AS workflow, a.asset_id AS "assetId",
      a.partition_key AS "partitionKey", a.run_id AS "runId", a.recovery_id AS "recoveryId", a.step_id AS "stepId",
      a.root_cause AS "rootCause", a.waiting, (extract(epoch FROM a.since) * 1000)::float8 AS at, a.since AS time,
      (extract(epoch FROM a.since) * 1000)::float8 AS since, a.muted_until AS "mutedTime",
      (extract(epoch FROM a.muted_until) * 1000)::float8 AS "mutedUntil", a.muted_reason AS "mutedReason",
      a.muted_by AS "mutedBy"
    FROM (${pages}) AS few JOIN attention_v1 a ON a.id = few.id
    -- By key, and only for those that do not say it themselves: joined as a set, all runs that have ended would be read.
    -- A run that was restored after it had ended well is not known here any more.
    LEFT JOIN LATERAL (
      SELECT r.workflow FROM run_list_v1_active r WHERE a.workflow IS NULL AND r.id = a.run_id OFFSET 0
    ) active ON true
    LEFT JOIN LATERAL (
      SELECT r.workflow FROM run_list_v1_ended r WHERE a.workflow IS NULL AND r.id = a.run_id OFFSET 0
    ) ended ON true
    ORDER BY a.since DESC, a.id DESC LIMIT ${limit}`)
}

const shown = (row: Listed, now: number): AttentionItem => {
  const { id, kind, message, mutedBy, mutedReason, mutedTime, reasonCode, rootCause, severity } = row
  const isMuted = mutedTime !== null && mutedTime.getTime() > now
  return {
    ...{ id, kind, severity, reasonCode, message, since: row.time.toISOString(), count: row.count },
    ...{ workflow: row.workflow, assetId: row.assetId, partitionKey: row.partitionKey, runId: row.runId },
    ...{ recoveryId: row.recoveryId, stepId: row.stepId },
    rootCause: rootCause === null ? null : { ...rootCause, partitionKey: shownPartition(rootCause.partitionKey) },
    muted: isMuted ? { until: mutedTime.toISOString(), reason: mutedReason ?? "", by: mutedBy } : null,
    action: AttentionAdvice.actionOf(row)
  }
}
