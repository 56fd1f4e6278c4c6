import { ConfigProvider, Effect, Layer, Logger, Redacted, References, Tracer } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { OtlpExporter, OtlpLogger, OtlpMetrics, OtlpSerialization, OtlpTracer } from "effect/observability"
import * as Delivery from "./Delivery.ts"
import * as RedactedLog from "./RedactedLog.ts"
import * as SamplingTracer from "./SamplingTracer.ts"
import type { BatchSettings, ExportSettings, SignalSettings } from "./TelemetrySettings.ts"

/**
 * Spans, log lines and metrics of the process by OTLP over HTTP, as the settings say. With null nothing is exported
 * and no span is made.
 */
export const layer = (settings: ExportSettings | null): Layer.Layer<never> => {
  if (settings === null) return Layer.succeed(References.TracerEnabled, false)
  return Layer.mergeAll(traces(settings), logs(settings), metrics(settings)).pipe(
    Layer.provide(OtlpExporter.layerFlusher),
    Layer.provide(FetchHttpClient.layer),
    Layer.provide(noRedirects),
    // The settings have been read, and checked, already.
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({})))
  )
}

/** A redirect would carry the headers, credentials among them, to somebody else. */
const noRedirects = Layer.succeed(FetchHttpClient.RequestInit, { redirect: "error" })

const resource = ({ attributes, serviceName }: ExportSettings) => ({ serviceName, attributes: { ...attributes } })

/** What every signal's exporter is told. */
const common = (settings: ExportSettings, signal: SignalSettings) => ({
  url: signal.url,
  headers: Redacted.value(signal.headers),
  compression: signal.compression,
  exportInterval: signal.intervalMs,
  resource: resource(settings)
})

/** Sends by a queue of the signal's own: what holds one up holds up no other. */
const by =
  (signal: SignalSettings, options: Pick<Delivery.DeliveryOptions, "signal" | "batchesMax">) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.flatMap(Delivery.make({ ...options, timeoutMs: signal.timeoutMs }), (client) =>
      Effect.provideService(effect, HttpClient.HttpClient, client)
    ).pipe(Effect.provide(serialization(signal)))

const batches = ({ batchMax, queueMax }: BatchSettings) => Math.max(1, Math.floor(queueMax / batchMax))

const serialization = ({ protocol }: SignalSettings) =>
  protocol === "http/json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf

const traces = (settings: ExportSettings) => {
  const signal = settings.traces
  // Without an exporter for spans the log still tells which belong together.
  if (signal === null) {
    return Layer.succeed(Tracer.Tracer, SamplingTracer.make(Tracer.nativeTracer, { name: "always_off", ratio: 0 }))
  }
  return Layer.effect(
    Tracer.Tracer,
    OtlpTracer.make({ ...common(settings, signal), maxBatchSize: signal.batchMax }).pipe(
      by(signal, { signal: "traces", batchesMax: batches(signal) }),
      Effect.map((exporter) => SamplingTracer.make(exporter, settings.sampler))
    )
  )
}

const logs = (settings: ExportSettings) => {
  const signal = settings.logs
  if (signal === null) return Layer.empty
  const exporter = OtlpLogger.make({ ...common(settings, signal), maxBatchSize: signal.batchMax }).pipe(
    by(signal, { signal: "logs", batchesMax: batches(signal) }),
    Effect.map(RedactedLog.before)
  )
  return Logger.layer([exporter], { mergeWithExisting: true })
}

const metrics = (settings: ExportSettings) => {
  const signal = settings.metrics
  if (signal === null) return Layer.empty
  // Each export tells all: of those that wait the newest would do, and one that is late is worth little.
  return Layer.effectDiscard(
    OtlpMetrics.make({ ...common(settings, signal), temporality: signal.temporality }).pipe(
      by(signal, { signal: "metrics", batchesMax: signal.temporality === "delta" ? deltasMax : 1 })
    )
  )
}

/** Deltas that wait for a receiver: 10 minutes of them at the default interval. */
const deltasMax = 10
