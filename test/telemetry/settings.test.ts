import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import * as Settings from "../../src/cli/Settings.ts"

type Env = Readonly<Record<string, string>>

const telemetry = (env: Env) => Result.getOrThrow(Settings.all({ flags: {}, env })).telemetry
const exported = (env: Env) => {
  const settings = telemetry(env).exported
  assert(settings !== null, "expected an export")
  return settings
}
const fault = (env: Env): string => {
  const result = Settings.all({ flags: {}, env })
  assert(Result.isFailure(result), `expected a fault of ${JSON.stringify(env)}`)
  assert.notInclude(result.failure.message, "\n")
  return result.failure.message
}
const to = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" }

describe("the settings of telemetry", () => {
  it("export nothing unless somebody asks for it", () => {
    assert.isNull(telemetry({}).exported)
    assert.isNull(telemetry({ OTEL_SERVICE_NAME: "x", OTEL_BSP_SCHEDULE_DELAY: "10" }).exported)
    assert.isNull(telemetry({ ...to, OTEL_SDK_DISABLED: "TRUE" }).exported)
    const none = { OTEL_TRACES_EXPORTER: "none", OTEL_METRICS_EXPORTER: "none", OTEL_LOGS_EXPORTER: "none" }
    assert.isNull(telemetry({ ...to, ...none }).exported)
  })

  it("have the specification's defaults, once there is an endpoint", () => {
    const { attributes, logs, metrics, sampler, serviceName, traces } = exported(to)
    assert.deepStrictEqual([serviceName, attributes], ["kintsugi", {}])
    assert.deepStrictEqual(sampler, { name: "parentbased_always_on", ratio: 1 })
    const common = { protocol: "http/protobuf", compression: "none", timeoutMs: 10_000 } as const
    const { headers: _t, ...ofTraces } = traces!
    const batch = { ...common, batchMax: 512, queueMax: 2_048 }
    assert.deepStrictEqual(ofTraces, { ...batch, url: "http://collector:4318/v1/traces", intervalMs: 5_000 })
    const { headers: _l, ...ofLogs } = logs!
    assert.deepStrictEqual(ofLogs, { ...batch, url: "http://collector:4318/v1/logs", intervalMs: 1_000 })
    const { headers: _m, ...ofMetrics } = metrics!
    const url = "http://collector:4318/v1/metrics"
    assert.deepStrictEqual(ofMetrics, { ...common, url, intervalMs: 60_000, temporality: "cumulative" })
  })

  it("take the usual endpoint when an exporter is asked for without one, and leave the others alone", () => {
    const { logs, metrics, traces } = exported({ OTEL_TRACES_EXPORTER: "otlp" })
    assert.deepStrictEqual([traces?.url, logs, metrics], ["http://localhost:4318/v1/traces", null, null])
  })

  it("go by the signal's own variable first, whose endpoint is taken as it is", () => {
    const { logs, metrics, traces } = exported({
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318/base/",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_HEADERS: "x-key=for%20all, x-other = b",
      OTEL_EXPORTER_OTLP_TIMEOUT: "1000",
      OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
      OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: "https://logs.example/ingest",
      OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: "http/protobuf",
      OTEL_EXPORTER_OTLP_LOGS_HEADERS: "x-key=mine",
      OTEL_EXPORTER_OTLP_LOGS_TIMEOUT: "2000",
      OTEL_EXPORTER_OTLP_LOGS_COMPRESSION: "none",
      OTEL_METRIC_EXPORT_TIMEOUT: "500",
      OTEL_METRIC_EXPORT_INTERVAL: "1500",
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: "delta",
      OTEL_BSP_MAX_QUEUE_SIZE: "100",
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "10",
      OTEL_BSP_EXPORT_TIMEOUT: "900",
      OTEL_BLRP_SCHEDULE_DELAY: "20"
    })
    assert(traces !== null && logs !== null)
    assert.strictEqual(traces.url, "http://collector:4318/base/v1/traces")
    assert.deepStrictEqual([traces.protocol, traces.compression, traces.timeoutMs], ["http/json", "gzip", 900])
    assert.deepStrictEqual([traces.queueMax, traces.batchMax], [100, 10])
    assert.deepStrictEqual(Redacted.value(traces.headers), { "x-key": "for all", "x-other": "b" })
    assert.strictEqual(logs.url, "https://logs.example/ingest")
    assert.deepStrictEqual([logs.protocol, logs.compression, logs.timeoutMs], ["http/protobuf", "none", 2_000])
    assert.strictEqual(logs.intervalMs, 20)
    assert.deepStrictEqual(Redacted.value(logs.headers), { "x-key": "mine" })
    assert.deepStrictEqual([metrics?.timeoutMs, metrics?.intervalMs, metrics?.temporality], [500, 1_500, "delta"])
  })

  it("name the service by its own variable before the resource's attributes", () => {
    const attributes = { OTEL_RESOURCE_ATTRIBUTES: "service.name=a,deployment.environment=pre%2Cprod" }
    assert.strictEqual(exported({ ...to, ...attributes }).serviceName, "a")
    const named = exported({ ...to, ...attributes, OTEL_SERVICE_NAME: "b" })
    assert.deepStrictEqual([named.serviceName, named.attributes], ["b", { "deployment.environment": "pre,prod" }])
  })

  it("sample by ratio", () => {
    const given = { ...to, OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.25" }
    assert.deepStrictEqual(exported(given).sampler, { name: "parentbased_traceidratio", ratio: 0.25 })
  })

  it("refuse what they do not know or cannot do, naming it: nothing is accepted and ignored (F87)", () => {
    for (const [variable, text, right] of [
      ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", /one of http\/protobuf, http\/json/],
      ["OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", /an http or https URL/],
      ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://u:hunter2@collector", /without user/],
      ["OTEL_EXPORTER_OTLP_HEADERS", "authorization: Bearer hunter2", /header=value pairs/],
      ["OTEL_EXPORTER_OTLP_HEADERS", "x=%zz-hunter2", /percent-encoded/],
      ["OTEL_EXPORTER_OTLP_TIMEOUT", "10s", /a whole number/],
      ["OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", /one of gzip, none/],
      ["OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem", /not supported/],
      ["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "lowmemory", /one of cumulative, delta/],
      ["OTEL_TRACES_EXPORTER", "zipkin", /one of otlp, none/],
      ["OTEL_TRACES_SAMPLER", "xray", /one of always_on/],
      ["OTEL_TRACES_SAMPLER_ARG", "0.5", /OTEL_TRACES_SAMPLER/],
      ["OTEL_PROPAGATORS", "b3", /tracecontext/],
      ["OTEL_SDK_DISABLED", "yes", /true or false/],
      ["OTEL_RESOURCE_ATTRIBUTES", "service.name", /key=value pairs/],
      ["OTEL_BSP_MAX_QUEUE_SIZE", "0", /a whole number from 1/],
      ["OTEL_SPAN_EVENT_COUNT_LIMIT", "3", /not supported/],
      ["OTEL_EXPORTER_OTLP_ENDPOIMT", "http://x", /not supported/],
      ["KINTSUGI_LOG_LEVEL", "verbose", /one of trace, debug, info, warn, error, none/],
      ["KINTSUGI_LOG_FORMAT", "xml", /one of json, pretty/]
    ] as const) {
      const message = fault({ [variable]: text })
      assert.strictEqual(message.split(":")[0], variable)
      assert.match(message, right)
      assert.notInclude(message, "hunter2")
    }
    const ratio = { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "1.5" }
    assert.match(fault(ratio), /^OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1/)
    const batch = { OTEL_BSP_MAX_QUEUE_SIZE: "5", OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "6" }
    assert.match(fault(batch), /^OTEL_BSP_MAX_EXPORT_BATCH_SIZE: must be at most OTEL_BSP_MAX_QUEUE_SIZE \(5\)/)
  })

  it("say how the log is shown", () => {
    assert.deepStrictEqual(telemetry({ KINTSUGI_LOG_LEVEL: "WARN", KINTSUGI_LOG_FORMAT: "json" }).log, {
      level: "Warn",
      format: "json"
    })
  })
})
