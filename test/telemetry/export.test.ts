import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Metric, References, Result, Schedule, Scope, Tracer } from "effect"
import * as Settings from "../../src/cli/Settings.ts"
import * as Trace from "../../src/eventstore/Trace.ts"
import * as Delivery from "../../src/telemetry/Delivery.ts"
import * as Export from "../../src/telemetry/Export.ts"
import * as OtlpReceiver from "../support/otlpReceiver.ts"

type Env = Readonly<Record<string, string>>

const settings = (url: string, env: Env = {}) =>
  Result.getOrThrow(
    Settings.all({
      flags: {},
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: url,
        OTEL_BSP_SCHEDULE_DELAY: "20",
        OTEL_BLRP_SCHEDULE_DELAY: "20",
        OTEL_METRIC_EXPORT_INTERVAL: "100",
        ...env
      }
    })
  ).telemetry.exported

const tracesOnly = { OTEL_METRICS_EXPORTER: "none", OTEL_LOGS_EXPORTER: "none" }

/** Runs the effect with the export on; what is under way when it ends has been sent. */
const exporting =
  (url: string, env: Env = {}) =>
  <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.provide(effect, Export.layer(settings(url, env)))

const until = (what: () => boolean) =>
  Effect.suspend(() => Effect.succeed(what())).pipe(
    Effect.repeat({ until: (is) => is, schedule: Schedule.spaced("20 millis") }),
    Effect.timeout("10 seconds")
  )

/** A span of ours around one of a library's, with a failure that quotes an address with a password. */
const work = Effect.gen(function* () {
  yield* Effect.logInfo("going to https://user:hunter2@store/x", { token: "hunter2", rows: 3 })
  yield* Effect.logError("it broke", new Error("postgres://u:hunter2@db/x is away"))
  yield* Effect.fail(new Error("cannot reach http://user:hunter2@store/x")).pipe(
    Trace.span("inner", { attributes: { url: "http://user:hunter2@store/x" } }),
    Effect.withSpan("a library's"),
    Effect.ignore
  )
}).pipe(Effect.annotateLogs({ runId: "r1" }), Trace.span("outer"))

describe("the export of telemetry", () => {
  for (const protocol of ["http/protobuf", "http/json"]) {
    it.live(`reaches a receiver that decodes it by itself, as ${protocol} (F83)`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const receiver = yield* OtlpReceiver.make
          const env = {
            OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
            OTEL_EXPORTER_OTLP_HEADERS: "x-key=a%20b",
            OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
            OTEL_SERVICE_NAME: "orders",
            OTEL_RESOURCE_ATTRIBUTES: "team=data"
          }
          const counter = Metric.counter("kintsugi_test_total", { incremental: true })
          yield* Effect.andThen(Metric.update(counter, 2), work).pipe(
            Effect.andThen(until(() => receiver.metrics().length > 0)),
            exporting(receiver.url(), env)
          )
          assert.deepStrictEqual(
            receiver
              .spans()
              .map(({ name }) => name)
              .sort(),
            ["inner", "outer"]
          )
          const outer = receiver.spans().find(({ name }) => name === "outer")!
          const inner = receiver.spans().find(({ name }) => name === "inner")!
          assert.deepStrictEqual([inner.traceId, inner.parentSpanId], [outer.traceId, outer.spanId])
          assert.strictEqual(inner.status.code, 2)
          assert.match(inner.status.message ?? "", /^cannot reach http:\/\/\[redacted]@store\/x$/)
          assert.strictEqual(inner.attributes.url, "http://[redacted]@store/x")
          const [said, broke] = receiver.logs()
          assert.deepStrictEqual([said?.traceId, said?.spanId], [outer.traceId, outer.spanId])
          assert.strictEqual(said?.attributes.runId, "r1")
          assert.strictEqual(broke?.severityText, "Error")
          const point = receiver.metrics().find(({ name }) => name === "kintsugi_test_total")?.sum?.dataPoints[0]
          assert.isAtLeast(Number(point?.asDouble ?? point?.asInt), 2)
          for (const signal of ["traces", "logs", "metrics"] as const) {
            const resource = receiver.resource(signal)
            assert.deepStrictEqual([resource["service.name"], resource.team], ["orders", "data"])
          }
          for (const { bytes, headers } of receiver.requests) {
            assert.strictEqual(headers["x-key"], "a b")
            assert.notInclude(bytes.toString("latin1"), "hunter2")
          }
        })
      )
    )
  }

  it.live("goes on when the receiver has been down: what waited is sent, and nobody waited for it", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const receiver = yield* OtlpReceiver.make
        yield* Effect.promise(receiver.down)
        yield* Effect.gen(function* () {
          yield* Trace.span("while it was away")(Effect.void)
          yield* Effect.sleep("300 millis")
          yield* Effect.promise(receiver.up)
          yield* until(() => receiver.spans().length > 0)
          receiver.turn({ status: 503, headers: { "retry-after": "1" } })
          yield* Trace.span("while it was busy")(Effect.void)
          yield* until(() => receiver.tried.length > 1)
          receiver.turn("take")
          yield* until(() => receiver.spans().length > 1)
        }).pipe(exporting(receiver.url(), tracesOnly))
        assert.deepStrictEqual(
          receiver.spans().map(({ name }) => name),
          ["while it was away", "while it was busy"]
        )
      })
    )
  )

  it.live("keeps at most its queue while the receiver hangs, counts what it drops, and comes back", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const receiver = yield* OtlpReceiver.make
        receiver.turn("hang")
        const env = {
          ...tracesOnly,
          // Only full batches, and the one at the end.
          OTEL_BSP_SCHEDULE_DELAY: "600000",
          OTEL_BSP_MAX_QUEUE_SIZE: "40",
          OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "10",
          OTEL_EXPORTER_OTLP_TIMEOUT: "200"
        }
        const counter = Metric.withAttributes(Delivery.dropped, { signal: "traces" })
        const droppedNow = Effect.map(Metric.value(counter), ({ count }) => count)
        yield* Effect.gen(function* () {
          const before = yield* droppedNow
          yield* Effect.forEach(Array.from({ length: 1_000 }), () => Trace.span("many")(Effect.void), { discard: true })
          yield* until(() => receiver.tried.length > 0)
          assert.strictEqual((yield* droppedNow) - before, 96)
          receiver.turn("take")
          yield* until(() => receiver.spans().length >= 40)
          yield* Trace.span("after")(Effect.void)
        }).pipe(exporting(receiver.url(), env))
        assert.lengthOf(
          receiver.spans().filter(({ name }) => name === "many"),
          40
        )
      })
    )
  )

  it.live("drops what the receiver refuses for good, and sends the next", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const receiver = yield* OtlpReceiver.make
        receiver.turn({ status: 400 })
        yield* Effect.gen(function* () {
          yield* Trace.span("refused")(Effect.void)
          yield* until(() => receiver.tried.length === 1)
          receiver.turn("take")
          yield* Trace.span("taken")(Effect.void)
          yield* until(() => receiver.spans().length > 0)
        }).pipe(exporting(receiver.url(), tracesOnly))
        assert.deepStrictEqual(
          receiver.spans().map(({ name }) => name),
          ["taken"]
        )
      })
    )
  )

  it.live("sends its credentials nowhere else: a redirect is not followed", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const receiver = yield* OtlpReceiver.make
        const other = yield* OtlpReceiver.make
        receiver.turn({ status: 307, headers: { location: `${other.url()}/v1/traces` } })
        yield* Effect.andThen(
          Trace.span("secret")(Effect.void),
          until(() => receiver.tried.length > 0)
        ).pipe(exporting(receiver.url(), { ...tracesOnly, OTEL_EXPORTER_OTLP_TIMEOUT: "300" }))
        assert.lengthOf(other.tried, 0)
      })
    )
  )

  it.live("keeps a trace whole or leaves it out, by the ratio that is asked for", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const receiver = yield* OtlpReceiver.make
        const env = { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.3" }
        const traced = (index: number) =>
          Effect.gen(function* () {
            const root = Trace.rootOf("run", String(index), undefined)
            // Two processes, or one before and after a crash, that know the run's id and nothing of each other.
            yield* Trace.span("first", { parent: root })(Effect.void)
            yield* Trace.span("second", { parent: Trace.rootOf("run", String(index), undefined) })(Effect.void)
          })
        yield* Effect.forEach(
          Array.from({ length: 400 }, (_, index) => index),
          traced,
          { discard: true }
        ).pipe(exporting(receiver.url(), env))
        const traces = Map.groupBy(receiver.spans(), ({ traceId }) => traceId)
        for (const spans of traces.values()) assert.lengthOf(spans, 2)
        assert.isAbove(traces.size, 80)
        assert.isBelow(traces.size, 160)
      })
    )
  )

  it.live("follows what the parent says, unless the sampler is one that asks nobody", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const receiver = yield* OtlpReceiver.make
        const parent = Trace.parse(`00-${"a".repeat(32)}-${"b".repeat(16)}-00`)!
        const spanOf = (sampler: string) =>
          Trace.span(sampler, { parent })(Effect.void).pipe(exporting(receiver.url(), { OTEL_TRACES_SAMPLER: sampler }))
        yield* spanOf("parentbased_always_on")
        yield* spanOf("always_on")
        assert.deepStrictEqual(
          receiver.spans().map(({ name, parentSpanId, traceId }) => [name, traceId, parentSpanId]),
          [["always_on", "a".repeat(32), "b".repeat(16)]]
        )
      })
    )
  )

  it.effect("makes no span at all while nothing is exported", () =>
    Effect.gen(function* () {
      let made = 0
      const counting = Tracer.make({
        span: (options) => {
          made++
          return Tracer.nativeTracer.span(options)
        }
      })
      const spans = Effect.withSpan(Trace.span("ours")(Effect.void), "a library's").pipe(
        Effect.provideService(Tracer.Tracer, counting)
      )
      yield* Effect.provide(spans, Export.layer(null))
      assert.strictEqual(made, 0)
      yield* Effect.provideService(spans, References.TracerEnabled, true)
      assert.strictEqual(made, 2)
    })
  )

  it.live("ends soon although the receiver never answers", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const receiver = yield* OtlpReceiver.make
        receiver.turn("hang")
        const scope = yield* Scope.make()
        const env = { OTEL_EXPORTER_OTLP_TIMEOUT: "300" }
        const context = yield* Layer.buildWithScope(Export.layer(settings(receiver.url(), env)), scope)
        yield* Effect.provideContext(Trace.span("last")(Effect.void), context)
        yield* Scope.close(scope, Exit.void)
        assert.include(receiver.tried, "/v1/traces")
      })
    )
  )
})
