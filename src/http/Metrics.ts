import { Duration, Effect } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { Engine } from "../actors/Engine.ts"
import { EventStore } from "../eventstore/EventStore.ts"
import type { QueueHealth } from "./api/Admin.ts"
import { within } from "./Answer.ts"
import { type Family, render, type Sample } from "./Prometheus.ts"
import { type MetricRow, Reads } from "./Reads.ts"

/** The metrics that are read from the log's read models, by name (CONTRACT, section 4). */
const derived: Readonly<Record<string, readonly [Family["type"], string]>> = {
  kintsugi_recovery_attempts_total: ["counter", "Attempts to heal a lost generation, by class and outcome."],
  kintsugi_recovery_failures_total: ["counter", "Recoveries that failed, by reason code."],
  kintsugi_recovery_duration_seconds: ["histogram", "From the request of a recovery to its end."],
  kintsugi_recovery_waiters: ["gauge", "Steps that wait for a recovery now."],
  kintsugi_recovery_oldest_seconds: ["gauge", "Age of the oldest recovery in progress; 0: there is none."],
  kintsugi_steps_total: ["counter", "Steps that ended, by outcome."],
  kintsugi_runs_total: ["counter", "Runs that ended, by workflow, outcome and trigger."],
  kintsugi_auto_materialize_runs_total: ["counter", "Runs that were started automatically, by reason and outcome."]
}

/**
 * `GET /metrics`. Without the database it still answers, with what the process knows of itself: that is when somebody
 * looks. The counters of a read model are then absent, never zero.
 */
export const text = Effect.gen(function* () {
  const engine = yield* Engine
  const reads = yield* Reads
  const store = yield* EventStore
  const { available, gauges, health, horizon, projections, rows } = yield* Effect.all(
    {
      available: store.available,
      gauges: engine.gauges,
      health: soon(reads.queueHealth(undefined), null),
      horizon: soon(reads.horizonHolder, undefined),
      projections: soon(reads.projections, []),
      rows: soon(reads.metrics, [])
    },
    { concurrency: "unbounded" }
  )
  const families: Array<Family> = [
    ...derivedFamilies(rows),
    gauge("kintsugi_queue_jobs", "Steps by queue and state.", health === null ? [] : queueSamples(health)),
    gauge(
      "kintsugi_queue_oldest_waiting_seconds",
      "How long the first of those that wait in a queue has waited; 0: none waits.",
      health === null
        ? []
        : health.queues.map(({ key, oldestWaitingMs }) => ({
            labels: { queue: key },
            value: (oldestWaitingMs ?? 0) / 1000
          }))
    ),
    gauge(
      "kintsugi_steps_delayed",
      "Steps that wait, by what they wait for.",
      health === null ? [] : Object.entries(health.delayed).map(([reason, value]) => ({ labels: { reason }, value }))
    ),
    gauge(
      "kintsugi_recoveries_in_flight",
      "Recoveries in progress.",
      health === null ? [] : [{ labels: {}, value: health.recoveries.active }]
    ),
    gauge(
      "kintsugi_projection_heartbeat_age_seconds",
      "Since a read model last read the log with success.",
      projections.map(({ heartbeatAgeMs, name }) => ({ labels: { projection: name }, value: heartbeatAgeMs / 1000 }))
    ),
    gauge(
      "kintsugi_projection_stopped",
      "1 while a read model is stopped by an event that it cannot take.",
      projections.map(({ error, name }) => ({ labels: { projection: name }, value: error === null ? 0 : 1 }))
    ),
    gauge(
      "kintsugi_projection_lag_events",
      "Events of the log that a read model has not read.",
      projections.flatMap(({ lagEvents, name }) =>
        lagEvents === null ? [] : [{ labels: { projection: name }, value: lagEvents }]
      )
    ),
    gauge(
      "kintsugi_safe_horizon_lag_seconds",
      "Age of the oldest writing transaction of the database server; 0: there is none.",
      horizon === undefined ? [] : [{ labels: {}, value: horizon === null ? 0 : horizon.ageMs / 1000 }]
    ),
    plain("kintsugi_log_available", "1 when the database answered the last time it was asked.", available ? 1 : 0),
    plain("kintsugi_steps_executing", "Steps that execute in this process.", gauges.executing),
    plain("kintsugi_steps_waiting_for_slot", "Steps of this process that wait for a slot.", gauges.waitingForSlot),
    plain("kintsugi_concurrency", "Steps that this process executes at once at most.", gauges.concurrency),
    plain("kintsugi_resident_actors", "Actors in the memory of this process.", gauges.residentActors),
    plain(
      "kintsugi_loop_blocked_seconds",
      "How long the event loop was blocked when last looked at.",
      gauges.loopBlockedMs / 1000
    )
  ]
  // What parts of this process count by themselves (the writer's batches, for one) is named kintsugi_ there.
  return render(families) + (yield* PrometheusMetrics.format())
})

/** A scrape waits 10 s at most by default; what a read model does not say in half of that is left out. */
const patience = Duration.seconds(5)
const soon = <A, E, B>(read: Effect.Effect<A, E>, otherwise: B): Effect.Effect<A | B> =>
  Effect.orElseSucceed(within(patience, read, "too late"), () => otherwise)

const gauge = (name: string, help: string, samples: ReadonlyArray<Sample>): Family => ({
  name,
  type: "gauge",
  help,
  samples
})

const plain = (name: string, help: string, value: number): Family => gauge(name, help, [{ labels: {}, value }])

const derivedFamilies = (rows: ReadonlyArray<MetricRow>): ReadonlyArray<Family> =>
  Object.entries(derived).map(([name, [type, help]]) => ({
    name,
    type,
    help,
    samples: rows.filter((row) => row.name === name)
  }))

const queueSamples = ({ queues }: QueueHealth): ReadonlyArray<Sample> =>
  queues.flatMap(({ counts, key }) =>
    Object.entries(counts).map(([state, value]) => ({ labels: { queue: key, state }, value }))
  )
