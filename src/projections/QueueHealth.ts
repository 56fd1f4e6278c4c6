import { Clock, DateTime, Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { LogUnavailable, Position } from "../eventstore/EventStore.ts"
import * as LogPosition from "../eventstore/LogPosition.ts"
import { available } from "./Available.ts"
import type { ProjectionStatus } from "./ProjectionRunner.ts"
import { ProjectionRunner } from "./ProjectionRunner.ts"
import { RunList } from "./RunList.ts"

export interface QueueCounts {
  /** Ready, without a slot. */
  readonly waiting: number
  readonly active: number
  readonly delayed: number
  /** Ready, and held back because a run, its workflow or the recovery is paused. */
  readonly paused: number
  /** Since the log began. */
  readonly completed: number
  readonly failed: number
}

export interface Queue {
  readonly key: string
  readonly counts: QueueCounts
  /** How long the first of the waiting ones has waited; null: none waits. */
  readonly oldestWaitingMs: number | null
}

export interface Delayed {
  readonly retry: number
  readonly recovery: number
  readonly store: number
  readonly input: number
}

export interface QueueHealth {
  readonly generatedAt: string
  /** The place in the log that the counts of steps belong to; null: before its first event. */
  readonly position: string | null
  /**
   * `workflow`: steps. `recovery`: recoveries. `events`: what the event bus has not taken yet. `projections`: read models;
   * `waiting` is the lag of the one that is furthest behind.
   */
  readonly queues: ReadonlyArray<Queue>
  /** Steps that wait, by what they wait for. */
  readonly delayed: Delayed
  readonly recoveries: { readonly active: number; readonly succeeded: number; readonly failed: number }
  readonly byWorkflow: ReadonlyArray<
    { readonly workflow: string; readonly counts: QueueCounts; readonly delayed: Delayed } & Pick<
      Queue,
      "oldestWaitingMs"
    >
  >
}

interface WorkflowRow extends Delayed {
  readonly workflow: string
  readonly waiting: number
  readonly active: number
  readonly paused: number
  readonly completed: number
  readonly failed: number
  readonly waitingSince: Date | null
}

interface RecoveryRow {
  readonly waiting: number
  readonly paused: number
  readonly active: number
  readonly delayed: number
  readonly succeeded: number
  readonly failed: number
  readonly waitingSince: Date | null
}

/** The subscription that publishes to the event bus, and the types of events that it publishes. */
export interface Publishing {
  readonly name: string
  readonly types: ReadonlyArray<string>
}

/** Every queue with its counts, whichever is empty (T26). */
export const read = Effect.fnUntraced(function* (
  publishing: Publishing
): Effect.fn.Return<QueueHealth, LogUnavailable, SqlClient.SqlClient | ProjectionRunner> {
  const sql = yield* SqlClient.SqlClient
  const runner = yield* ProjectionRunner
  const position = yield* Effect.orDie(runner.position(RunList.name))
  const workflows = yield* available(readWorkflows(sql))
  const [recoveries] = yield* available(readRecoveries(sql))
  const statuses = yield* runner.status
  const published = yield* available(readPublished(sql, publishing))
  const now = yield* Clock.currentTimeMillis

  const age = (since: Date | null) => (since === null ? null : Math.max(0, now - since.getTime()))
  const sum = (field: Exclude<keyof WorkflowRow, "workflow" | "waitingSince">) =>
    workflows.reduce((total, row) => total + row[field], 0)
  const total = { retry: sum("retry"), recovery: sum("recovery"), store: sum("store"), input: sum("input") }
  const since = workflows.flatMap(({ waitingSince }) => (waitingSince === null ? [] : [waitingSince.getTime()]))
  const steps = {
    ...{
      waiting: sum("waiting"),
      active: sum("active"),
      paused: sum("paused"),
      completed: sum("completed"),
      failed: sum("failed"),
      ...total
    }
  }
  const { active, delayed, failed, paused, succeeded, waiting, waitingSince } = recoveries!
  return {
    generatedAt: DateTime.formatIso(DateTime.makeUnsafe(now)),
    position,
    queues: [
      {
        key: "workflow",
        counts: countsOf(steps),
        oldestWaitingMs: since.length === 0 ? null : Math.max(0, now - Math.min(...since))
      },
      {
        key: "recovery",
        counts: { waiting, active, delayed, paused, completed: succeeded, failed },
        oldestWaitingMs: age(waitingSince)
      },
      {
        key: "events",
        counts: { waiting: published.waiting, ...still, completed: published.passed, failed: published.failed },
        oldestWaitingMs: age(published.waitingSince)
      },
      projectionsQueue(statuses)
    ],
    delayed: total,
    recoveries: { active: waiting + active + delayed + paused, succeeded, failed },
    byWorkflow: workflows.map(({ workflow, waitingSince, ...row }) => ({
      workflow,
      counts: countsOf(row),
      delayed: { retry: row.retry, recovery: row.recovery, store: row.store, input: row.input },
      oldestWaitingMs: age(waitingSince)
    }))
  }
})

const countsOf = (row: Omit<WorkflowRow, "workflow" | "waitingSince">): QueueCounts => ({
  waiting: row.waiting,
  active: row.active,
  delayed: row.retry + row.recovery + row.store + row.input,
  paused: row.paused,
  completed: row.completed,
  failed: row.failed
})

const still = { active: 0, delayed: 0, paused: 0 }

/** Events after the checkpoint of the publisher that are looked at; a bus that was away for days has more. */
const unpublishedMax = 100_000

/** How far the bus has come; before it first ran nothing waits. `passed`: events of the log before where it stands. */
const readPublished = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, { name, types }: Publishing) {
  const [subscription] = yield* sql<{ readonly position: Position | null; readonly error: string | null }>`
    SELECT position, error FROM subscriptions WHERE name = ${name}`
  if (subscription === undefined) return { waiting: 0, waitingSince: null, passed: 0, failed: 0 }
  const { epoch, globalPosition, transactionId } = LogPosition.parts(subscription.position)
  const [unpublished] = yield* sql<{ readonly waiting: number; readonly waitingSince: Date | null }>`
    SELECT count(*)::int AS waiting, to_timestamp(min(recorded_at_ms) / 1000.0) AS "waitingSince"
    FROM (
      SELECT e.type, e.recorded_at_ms FROM events e
      WHERE (e.epoch, e.transaction_id, e.global_position)
        > (${epoch}::int, ${transactionId}::text::xid8, ${globalPosition}::bigint)
      ORDER BY e.epoch, e.transaction_id, e.global_position LIMIT ${unpublishedMax}::int
    ) AS after_it
    WHERE type = ANY (string_to_array(${types.join(",")}::text, ','))`
  return { ...unpublished!, passed: Number(globalPosition), failed: subscription.error === null ? 0 : 1 }
})

/** Of the read models: events not read yet by the one that is furthest behind, and those that are parked. */
const projectionsQueue = (statuses: ReadonlyArray<ProjectionStatus>): Queue => {
  const isParked = ({ error }: ProjectionStatus) => error !== null
  const lags = statuses.filter((status) => !isParked(status)).map(({ lagEvents }) => lagEvents ?? 0)
  const read = statuses.map(({ position }) => (position === null ? 0 : Number.parseInt(position.slice(-16), 16)))
  return {
    key: "projections",
    counts: {
      waiting: Math.max(0, ...lags),
      ...still,
      completed: Math.max(0, ...read),
      failed: statuses.filter(isParked).length
    },
    oldestWaitingMs: null
  }
}

/** Steps of runs that go on, summed in the database, and what was counted since the log began. */
const readWorkflows = (sql: SqlClient.SqlClient) => sql<WorkflowRow>`
  WITH going_on AS (
    SELECT workflow, sum(CASE WHEN is_paused THEN 0 ELSE waiting END)::int AS waiting, sum(active)::int AS active,
      sum(held + CASE WHEN is_paused THEN waiting ELSE 0 END)::int AS paused, sum(retry)::int AS retry,
      sum(recovery)::int AS recovery, sum(store)::int AS store, sum(input)::int AS input,
      min(waiting_since) FILTER (WHERE NOT is_paused) AS waiting_since
    FROM (
      SELECT goes.workflow, waiting, active, held, retry, recovery, store, input, waiting_since,
        stopped.workflow IS NOT NULL AS is_paused
      FROM run_list_v1_active AS goes LEFT JOIN run_list_v1_paused AS stopped ON stopped.workflow = goes.workflow
    ) AS going GROUP BY workflow
  ), counted AS (
    SELECT workflow, coalesce(sum(value) FILTER (WHERE outcome = 'succeeded'), 0)::float8 AS completed,
      coalesce(sum(value) FILTER (WHERE outcome = 'failed'), 0)::float8 AS failed
    FROM run_list_v1_counters WHERE metric = 'steps' GROUP BY workflow
  )
  SELECT workflow, coalesce(waiting, 0) AS waiting, coalesce(active, 0) AS active,
    coalesce(paused, 0) AS paused, coalesce(retry, 0) AS retry,
    coalesce(recovery, 0) AS recovery, coalesce(store, 0) AS store, coalesce(input, 0) AS input,
    coalesce(completed, 0) AS completed, coalesce(failed, 0) AS failed, waiting_since AS "waitingSince"
  FROM going_on FULL JOIN counted USING (workflow) ORDER BY workflow`

const readRecoveries = (sql: SqlClient.SqlClient) => sql<RecoveryRow>`
  SELECT
    count(*) FILTER (WHERE status IN ('requested', 'planned') AND NOT paused)::int AS waiting,
    count(*) FILTER (WHERE status = 'running' AND NOT backing_off)::int AS active,
    count(*) FILTER (WHERE status = 'running' AND backing_off AND NOT paused)::int AS delayed,
    count(*) FILTER (WHERE paused AND (status <> 'running' OR backing_off))::int AS paused,
    (SELECT coalesce(sum(value), 0)::float8 FROM recovery_list_v1_counters
      WHERE metric = 'ended' AND outcome = 'succeeded') AS succeeded,
    (SELECT coalesce(sum(value), 0)::float8 FROM recovery_list_v1_counters
      WHERE metric = 'ended' AND outcome = 'failed') AS failed,
    min(requested_at) FILTER (WHERE status IN ('requested', 'planned') AND NOT paused) AS "waitingSince"
  FROM recovery_list_v1 WHERE status IN ('requested', 'planned', 'running')`
