import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Metric } from "effect"
import { TestClock } from "effect/testing"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import * as Metrics from "../../src/http/Metrics.ts"
import * as Readiness from "../../src/http/Readiness.ts"
import { Reads } from "../../src/http/Reads.ts"
import { render } from "../../src/http/Prometheus.ts"
import * as Fakes from "./Fakes.ts"
import { send, server } from "./Harness.ts"

const state = Fakes.makeState()
const log = { available: true }
const store = Layer.effect(
  EventStore,
  Effect.map(EventStore, (store) => ({ ...store, available: Effect.sync(() => log.available) }))
).pipe(Layer.provide(MemoryEventStore.layer))

const projection = (name: string, heartbeatAgeMs: number, error: string | null = null) => ({
  name,
  position: null,
  lagEvents: 12,
  heartbeatAgeMs,
  error,
  errorPosition: null,
  rebuilding: false,
  rebuild: null,
  lastRebuild: null,
  skipped: []
})

const behind = Layer.mergeAll(Fakes.engine(state), Fakes.reads(state), store)

layer(server(state, behind), { excludeTestServices: true })("health", (it) => {
  it.effect("readyz names every reason: log, loop, a stale or stopped read model, the oldest transaction", () =>
    Effect.gen(function* () {
      state.projections = [projection("run_list_v1", 20)]
      assert.strictEqual((yield* send("GET", "/readyz")).status, 200)

      log.available = false
      state.loopBlockedMs = 10_001
      state.projections = [projection("run_list_v1", 31_000), projection("recovery_list_v1", 5, "unknown event type")]
      const { headers, json, status } = yield* send("GET", "/readyz", { token: null })
      assert.strictEqual(status, 503)
      assert.strictEqual(headers.get("retry-after"), "1")
      const reasons = json.reasons as ReadonlyArray<{ readonly name: string; readonly message: string }>
      assert.sameMembers(
        reasons.map(({ name }) => name),
        ["log", "loop", "projection run_list_v1", "projection recovery_list_v1", "horizon"]
      )
      assert.include(reasons.find(({ name }) => name === "horizon")!.message, "pid 4711 in database other")
      // Open to everybody: what the read model stopped at can be data of a run.
      assert.include(json.detail as string, "projection recovery_list_v1: has stopped; GET /api/v1/admin/projections")
      assert.notInclude(JSON.stringify(json), "unknown event type")

      log.available = true
      state.loopBlockedMs = 0
      state.projections = [projection("recovery_list_v1", 5, "unknown event type")]
      const { json: parked } = yield* send("GET", "/readyz", { token: null })
      // A transaction holds nobody back who has read the log just now.
      assert.deepStrictEqual(
        (parked.reasons as typeof reasons).map(({ name }) => name),
        ["projection recovery_list_v1"]
      )
      state.projections = []
      assert.strictEqual((yield* send("GET", "/readyz")).status, 200)
    })
  )

  it.effect("livez answers whatever is wrong behind it", () =>
    Effect.gen(function* () {
      log.available = false
      assert.strictEqual((yield* send("GET", "/livez", { token: null })).status, 200)
      log.available = true
    })
  )

  it.effect("metrics have the contract's names, a HELP and a TYPE each, and what the process counts itself", () =>
    Effect.gen(function* () {
      state.projections = [projection("run_list_v1", 20)]
      state.metrics = [
        { name: "kintsugi_steps_total", labels: { outcome: "succeeded" }, value: 7 },
        {
          name: "kintsugi_runs_total",
          labels: { workflow: 'a"b\\c\nd', outcome: "failed", trigger: "manual" },
          value: 1
        },
        { name: "kintsugi_recovery_duration_seconds", suffix: "_bucket", labels: { le: "+Inf" }, value: 3 }
      ]
      yield* Metric.update(Metric.counter("kintsugi_test_total"), 2)
      const { headers, text } = yield* send("GET", "/metrics")
      assert.strictEqual(headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8")
      for (const line of [
        'kintsugi_queue_jobs{queue="workflow",state="waiting"} 1',
        'kintsugi_steps_total{outcome="succeeded"} 7',
        'kintsugi_runs_total{workflow="a\\"b\\\\c\\nd",outcome="failed",trigger="manual"} 1',
        'kintsugi_recovery_duration_seconds_bucket{le="+Inf"} 3',
        'kintsugi_projection_lag_events{projection="run_list_v1"} 12',
        "kintsugi_safe_horizon_lag_seconds 61",
        "kintsugi_steps_executing 2",
        "kintsugi_log_available 1"
      ]) {
        assert.include(text.split("\n"), line)
      }
      const families = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name)
      assert.strictEqual(new Set(families).size, families.length)
      for (const name of [
        "kintsugi_recovery_attempts_total",
        "kintsugi_recovery_failures_total",
        "kintsugi_recovery_duration_seconds",
        "kintsugi_recovery_waiters",
        "kintsugi_auto_materialize_runs_total"
      ]) {
        assert.include(families, name)
        assert.include(text, `# HELP ${name} `)
      }
    })
  )
})

const frozen = Layer.mergeAll(
  Fakes.engine(state),
  Layer.effect(
    Reads,
    Effect.map(Reads, (reads) => ({ ...reads, horizonHolder: Effect.never }))
  ).pipe(Layer.provideMerge(Fakes.reads(state))),
  Layer.effect(
    EventStore,
    Effect.map(EventStore, (store) => ({ ...store, head: Effect.never }))
  ).pipe(Layer.provide(MemoryEventStore.layer))
)

layer(server(state, frozen), { excludeTestServices: true })("a server whose database hangs", (it) => {
  it.effect("tells of its read models what it knows without it", () =>
    Effect.gen(function* () {
      state.projections = [projection("run_list_v1", 20)]
      const { json, status, text } = yield* send("GET", "/api/v1/admin/projections")
      assert.strictEqual(status, 200, text)
      const data = json.data as Readonly<Record<string, unknown>>
      assert.deepInclude(data, { head: null, horizonHolder: null })
      assert.lengthOf(data.projections as ReadonlyArray<unknown>, 1)
    })
  )

  it.effect("is not ready", () =>
    Effect.gen(function* () {
      state.projections = [projection("run_list_v1", 20)]
      const { json, status } = yield* send("GET", "/readyz", { token: null })
      assert.strictEqual(status, 503)
      assert.deepStrictEqual(json.reasons, [{ name: "log", message: "did not answer within 3 seconds" }])
    })
  )
})

describe("with a database that hangs", () => {
  const hanging = Layer.effect(
    Reads,
    Effect.map(Reads, (reads) => ({
      ...reads,
      projections: Effect.never,
      queueHealth: () => Effect.never,
      metrics: Effect.never,
      horizonHolder: Effect.never
    }))
  ).pipe(Layer.provide(Fakes.reads(state)))
  const hung = Layer.mergeAll(Fakes.engine(state), hanging, MemoryEventStore.layer)

  it.effect("readyz names the check that hangs after 3 seconds", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Readiness.reasons)
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), [
        { name: "projections", message: "did not answer within 3 seconds" }
      ])
    }).pipe(Effect.provide(hung))
  )

  it.effect("metrics tell after 5 seconds what the process knows of itself, and nothing of the rest", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Metrics.text)
      yield* TestClock.adjust("5 seconds")
      const text = yield* Fiber.join(fiber)
      assert.include(text, "kintsugi_steps_executing 2")
      assert.notMatch(text, /^kintsugi_(queue_jobs|safe_horizon|steps_total)/m)
    }).pipe(Effect.provide(hung))
  )
})

describe("the Prometheus text", () => {
  it("writes numbers as Prometheus reads them", () => {
    const sample = (value: number) => ({ labels: {}, value })
    const text = render([
      {
        name: "x",
        type: "gauge",
        help: "a\nb",
        samples: [sample(Infinity), sample(-Infinity), sample(NaN), sample(1e21)]
      }
    ])
    assert.strictEqual(text, "# HELP x a\\nb\n# TYPE x gauge\nx +Inf\nx -Inf\nx NaN\nx 1e+21\n")
  })
})
