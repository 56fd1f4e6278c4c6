import { samplerNames } from "../telemetry/Sampler.ts"
import type { Described } from "./SettingText.ts"

// The variables of the OpenTelemetry specification that are acted on, and those of the log. The others of OTEL_ are
// refused, so a new one is acted on only once it stands here.

const numberMax = 2_147_483_647

const ms = (variable: string, otherwise: number, minimum: number, meaning: string): Described => ({
  ...{ kind: "whole", unit: "milliseconds", variable, otherwise, minimum, maximum: numberMax, meaning }
})
const count = (variable: string, otherwise: number, meaning: string): Described => ({
  ...{ kind: "whole", variable, otherwise, minimum: 1, maximum: numberMax, meaning }
})
const choice = (variable: string, choices: ReadonlyArray<string>, otherwise: string, meaning: string): Described => ({
  ...{ kind: "choice", variable, choices, otherwise, meaning }
})
const text = (variable: string, right: string, otherwise: string | null, meaning: string): Described => ({
  ...{ kind: "text", variable, right, otherwise, meaning }
})

const url = "an http or https URL without user, password, query and fragment"
const signals = ["traces", "metrics", "logs"] as const

/** What is sent where; without a signal's own variable the one for all holds. */
const exporter = (signal: string | null): ReadonlyArray<Described> => {
  const name = (part: string) => `OTEL_EXPORTER_OTLP_${signal === null ? "" : `${signal.toUpperCase()}_`}${part}`
  const of = signal === null ? "all signals" : signal
  return [
    text(name("ENDPOINT"), url, null, `Receiver of ${of}; without one nothing is sent`),
    choice(name("PROTOCOL"), ["http/protobuf", "http/json"], "http/protobuf", `Encoding of ${of}`),
    { ...text(name("HEADERS"), "header=value pairs, percent-encoded", null, `Headers for ${of}`), secret: true },
    ms(name("TIMEOUT"), 10_000, 1, `Longest request for ${of}`),
    choice(name("COMPRESSION"), ["gzip", "none"], "none", `Compression of ${of}`)
  ]
}

const batches = (processor: "BSP" | "BLRP", of: string, delayMs: number): ReadonlyArray<Described> => [
  ms(`OTEL_${processor}_SCHEDULE_DELAY`, delayMs, 1, `Between two exports of ${of}`),
  ms(`OTEL_${processor}_EXPORT_TIMEOUT`, 30_000, 1, `Longest export of ${of}`),
  count(`OTEL_${processor}_MAX_QUEUE_SIZE`, 2_048, `Most ${of} that wait; what comes beyond is dropped and counted`),
  count(`OTEL_${processor}_MAX_EXPORT_BATCH_SIZE`, 512, `Most ${of} of one export, at most the queue`)
]

const all: ReadonlyArray<Described> = [
  ...exporter(null),
  ...signals.flatMap(exporter),
  ...signals.map((signal) =>
    choice(
      `OTEL_${signal.toUpperCase()}_EXPORTER`,
      ["otlp", "none"],
      "otlp",
      `Whether ${signal} are sent, where there is a receiver`
    )
  ),
  choice("OTEL_SDK_DISABLED", ["true", "false"], "false", "Whether nothing at all is sent"),
  text("OTEL_SERVICE_NAME", "a name", "kintsugi", "Name of this service"),
  text("OTEL_RESOURCE_ATTRIBUTES", "key=value pairs, percent-encoded", null, "What is told of this service"),
  choice("OTEL_PROPAGATORS", ["tracecontext"], "tracecontext", "How a trace goes from process to process"),
  choice("OTEL_TRACES_SAMPLER", samplerNames, "parentbased_always_on", "Which traces are kept"),
  text(
    "OTEL_TRACES_SAMPLER_ARG",
    "a number from 0 to 1, with a sampler by ratio",
    null,
    "The ratio of traces that are kept"
  ),
  ...batches("BSP", "spans", 5_000),
  ...batches("BLRP", "log records", 1_000),
  ms("OTEL_METRIC_EXPORT_INTERVAL", 60_000, 100, "Between two exports of metrics"),
  ms("OTEL_METRIC_EXPORT_TIMEOUT", 30_000, 1, "Longest export of metrics"),
  choice(
    ...(["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", ["cumulative", "delta"], "cumulative"] as const),
    "What counters are sent as"
  ),
  choice("KINTSUGI_LOG_LEVEL", ["trace", "debug", "info", "warn", "error", "none"], "info", "Least level of the log"),
  choice(
    "KINTSUGI_LOG_FORMAT",
    ["json", "pretty"],
    "pretty on a terminal, else json",
    "How the log is written to stderr"
  )
]

/** By variable. */
export const telemetry: Readonly<Record<string, Described>> = Object.fromEntries(
  all.map((setting) => [setting.variable, setting])
)
