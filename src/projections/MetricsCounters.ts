import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { ReasonCode, RecoveryClass } from "../domain/recovery/RecoveryEvents.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import { available } from "./Available.ts"
import { bucketsSeconds } from "./RecoveryCounters.ts"

/** One line of a Prometheus answer. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** One metric with all its samples; a histogram's carry the suffixes `_bucket`, `_sum` and `_count`. */
export interface Metric {
  readonly name: string
  readonly type: "counter" | "gauge" | "histogram"
  readonly help: string
  readonly samples: ReadonlyArray<Sample>
}

interface RunRow {
  readonly metric: "steps" | "runs"
  readonly workflow: string
  readonly outcome: string
  readonly trigger: string
  readonly value: number
}

interface RecoveryRow {
  readonly metric: string
  readonly class: string
  readonly outcome: string
  readonly value: number
}

/**
 * The metrics that derive from the log. The projections keep them with their own batches, so they survive restarts and
 * are exact; one process serves them.
 */
export const read: Effect.Effect<ReadonlyArray<Metric>, LogUnavailable, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const runs = yield* available(sql<RunRow>`
    SELECT metric, workflow, outcome, trigger, value::float8 AS value FROM run_list_v1_counters
    ORDER BY metric, workflow, outcome, trigger`)
  const recoveries = yield* available(sql<RecoveryRow>`
    SELECT metric, class, outcome, value::float8 AS value FROM recovery_list_v1_counters
    ORDER BY metric, class, outcome`)
  const automatic = yield* available(sql<{ reason: string; outcome: string; value: number }>`
    SELECT reason, outcome, value::float8 AS value FROM materialization_list_v1_counters ORDER BY reason, outcome`)
  const [waiters] = yield* available(sql<{ value: number; oldestSeconds: number }>`
    SELECT coalesce(sum(waiter_count), 0)::float8 AS value,
      coalesce(extract(epoch FROM now() - min(requested_at)), 0)::float8 AS "oldestSeconds" FROM recovery_list_v1
    WHERE status IN ('requested', 'planned', 'running')`)
  return [
    stepsTotal(runs),
    counter(
      "kintsugi_runs_total",
      "Runs that ended.",
      runs.filter(({ metric }) => metric === "runs"),
      ({ outcome, trigger, workflow }) => ({ workflow, outcome, trigger })
    ),
    counter(
      "kintsugi_recovery_attempts_total",
      "Attempts of recoveries that ended.",
      fromZero(recoveries, "attempts", attemptLabels),
      ({ class: recoveryClass, outcome }) => ({ class: recoveryClass, outcome })
    ),
    counter(
      "kintsugi_recovery_failures_total",
      "Recoveries that failed, by their reason code.",
      fromZero(recoveries, "failures", failureLabels),
      ({ outcome }) => ({ reason: outcome })
    ),
    duration(recoveries),
    counter(
      "kintsugi_auto_materialize_runs_total",
      "Automatic runs, by reason and outcome.",
      automatic,
      ({ outcome, reason }) => ({ reason, outcome })
    ),
    {
      name: "kintsugi_recovery_waiters",
      type: "gauge",
      help: "Steps and recoveries that wait for a recovery in progress.",
      samples: [{ name: "kintsugi_recovery_waiters", labels: {}, value: waiters?.value ?? 0 }]
    },
    {
      name: "kintsugi_recovery_oldest_seconds",
      type: "gauge",
      help: "Age of the oldest recovery in progress.",
      samples: [
        { name: "kintsugi_recovery_oldest_seconds", labels: {}, value: Math.max(0, waiters?.oldestSeconds ?? 0) }
      ]
    }
  ]
})

const counter = <Row extends { readonly value: number }>(
  name: string,
  help: string,
  rows: ReadonlyArray<Row>,
  labels: (row: Row) => Readonly<Record<string, string>>
): Metric => ({
  name,
  type: "counter",
  help,
  samples: rows.map((row) => ({ name, labels: labels(row), value: row.value }))
})

const attemptLabels = RecoveryClass.literals.flatMap((recoveryClass) =>
  ["failed", "succeeded"].map((outcome) => ({ class: recoveryClass, outcome }))
)
const failureLabels = ReasonCode.literals.map((outcome) => ({ class: "", outcome }))

/**
 * A counter that alerts are about is there before it counts: Prometheus sees no increase in what appears with its first
 * value, and nothing at all where no recovery has ever succeeded.
 */
const fromZero = (
  rows: ReadonlyArray<RecoveryRow>,
  metric: string,
  labels: ReadonlyArray<Pick<RecoveryRow, "class" | "outcome">>
): ReadonlyArray<RecoveryRow> => {
  const counted = rows.filter((row) => row.metric === metric)
  const isCounted = (label: (typeof labels)[number]) =>
    counted.some((row) => row.class === label.class && row.outcome === label.outcome)
  const absent = labels.filter((label) => !isCounted(label))
  return [...counted, ...absent.map((label) => ({ metric, ...label, value: 0 }))]
}

/** The table has them by workflow, for the queue's health. */
const stepsTotal = (runs: ReadonlyArray<RunRow>): Metric => {
  const byOutcome = new Map<string, number>()
  for (const { metric, outcome, value } of runs) {
    if (metric === "steps") byOutcome.set(outcome, (byOutcome.get(outcome) ?? 0) + value)
  }
  const rows = [...byOutcome].map(([outcome, value]) => ({ outcome, value }))
  return counter("kintsugi_steps_total", "What became of step executions.", rows, ({ outcome }) => ({ outcome }))
}

/** Stored by bucket; Prometheus wants each bucket to contain those below it. */
const duration = (recoveries: ReadonlyArray<RecoveryRow>): Metric => {
  const name = "kintsugi_recovery_duration_seconds"
  const inBucket = new Map(
    recoveries.filter(({ metric }) => metric === "duration").map((row) => [row.outcome, row.value])
  )
  const sumMs = recoveries.find(({ metric }) => metric === "duration_ms")?.value ?? 0
  let count = 0
  const buckets = [...bucketsSeconds.map(String), "+Inf"].map((le): Sample => {
    count += inBucket.get(le) ?? 0
    return { name: `${name}_bucket`, labels: { le }, value: count }
  })
  const totals: ReadonlyArray<Sample> = [
    { name: `${name}_sum`, labels: {}, value: sumMs / 1000 },
    { name: `${name}_count`, labels: {}, value: count }
  ]
  return {
    name,
    type: "histogram",
    help: "From the request of a recovery to its end.",
    samples: [...buckets, ...totals]
  }
}
