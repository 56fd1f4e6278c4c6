import { Redacted } from "effect"
import { type SamplerName, samplerNames } from "../telemetry/Sampler.ts"
import type {
  BatchSettings,
  ExportSettings,
  LogSettings,
  SignalSettings,
  TelemetrySettings
} from "../telemetry/TelemetrySettings.ts"
import * as SettingText from "./SettingText.ts"
import type { Given } from "./SettingText.ts"

/**
 * Telemetry by the variables of the OpenTelemetry specification, and how the log is shown. Each variable is honoured or
 * refused. Throws `SettingInvalid`.
 */
export const read = (given: Given): TelemetrySettings => ({ exported: exported(given), log: log(given) })

const signals = ["TRACES", "METRICS", "LOGS"] as const
type Signal = (typeof signals)[number]

/** Every variable of OpenTelemetry that is acted on. */
const known: ReadonlySet<string> = new Set([
  "OTEL_SDK_DISABLED",
  "OTEL_SERVICE_NAME",
  "OTEL_RESOURCE_ATTRIBUTES",
  "OTEL_PROPAGATORS",
  "OTEL_TRACES_SAMPLER",
  "OTEL_TRACES_SAMPLER_ARG",
  "OTEL_METRIC_EXPORT_INTERVAL",
  "OTEL_METRIC_EXPORT_TIMEOUT",
  "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
  ...["BSP", "BLRP"].flatMap((processor) =>
    ["SCHEDULE_DELAY", "EXPORT_TIMEOUT", "MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE"].map(
      (name) => `OTEL_${processor}_${name}`
    )
  ),
  ...signals.map((signal) => `OTEL_${signal}_EXPORTER`),
  ...["", ...signals.map((signal) => `${signal}_`)].flatMap((signal) =>
    ["ENDPOINT", "PROTOCOL", "HEADERS", "TIMEOUT", "COMPRESSION"].map((name) => `OTEL_EXPORTER_OTLP_${signal}${name}`)
  )
])

const refuseUnknown = ({ env }: Given): void => {
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith("OTEL_") || known.has(variable) || (text ?? "").trim() === "") continue
    const message = `${variable}: this setting is not supported; leave it out (docs/TELEMETRY.md lists those that are)`
    throw new SettingText.SettingInvalid({ setting: variable, message })
  }
}

const exported = (given: Given): ExportSettings | null => {
  refuseUnknown(given)
  const propagators = SettingText.find(given, "OTEL_PROPAGATORS")
  if (propagators !== undefined && propagators.text !== "tracecontext") {
    throw SettingText.invalid(propagators.name, "tracecontext, the one that is supported", propagators.text)
  }
  const interval = number(given, "OTEL_METRIC_EXPORT_INTERVAL", 60_000, 100)
  const preference = temporality(given)
  const metrics = signalOf(given, "METRICS", interval, number(given, "OTEL_METRIC_EXPORT_TIMEOUT", 30_000, 1))
  const traces = batchOf(given, "TRACES", "BSP", 5_000)
  const logs = batchOf(given, "LOGS", "BLRP", 1_000)
  const settings: ExportSettings = {
    ...resource(given),
    sampler: sampler(given),
    traces,
    logs,
    metrics: metrics === null ? null : { ...metrics, temporality: preference }
  }
  if (isDisabled(given) || (traces === null && logs === null && metrics === null)) return null
  return settings
}

const isDisabled = (given: Given): boolean => {
  const found = SettingText.find(given, "OTEL_SDK_DISABLED")
  if (found === undefined || found.text.toLowerCase() === "false") return false
  if (found.text.toLowerCase() === "true") return true
  throw SettingText.invalid(found.name, "true or false", found.text)
}

// ------------------------------------------------------------------ signals

/** The signal's own variable, else the one for all. */
const either = (given: Given, signal: Signal, name: string) =>
  SettingText.find(given, `OTEL_EXPORTER_OTLP_${signal}_${name}`) ??
  SettingText.find(given, `OTEL_EXPORTER_OTLP_${name}`)

const endpointDefault = "http://localhost:4318"

const signalOf = (given: Given, signal: Signal, intervalMs: number, limitMs: number): SignalSettings | null => {
  const chosen = choice(given, [`OTEL_${signal}_EXPORTER`], ["otlp", "none"])
  const own = SettingText.find(given, `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`)
  const shared = SettingText.find(given, "OTEL_EXPORTER_OTLP_ENDPOINT")
  const names = (name: string) => [`OTEL_EXPORTER_OTLP_${signal}_${name}`, `OTEL_EXPORTER_OTLP_${name}`]
  const timeout = either(given, signal, "TIMEOUT")?.name ?? "OTEL_EXPORTER_OTLP_TIMEOUT"
  const settings: SignalSettings = {
    url: own !== undefined ? url(own, "") : url(shared, `/v1/${signal.toLowerCase()}`),
    protocol: choice(given, names("PROTOCOL"), ["http/protobuf", "http/json"]) ?? "http/protobuf",
    headers: Redacted.make(headers(either(given, signal, "HEADERS"))),
    compression: choice(given, names("COMPRESSION"), ["gzip", "none"]) ?? "none",
    timeoutMs: Math.min(limitMs, number(given, timeout, 10_000, 1)),
    intervalMs
  }
  // Nothing is sent anywhere unless somebody asked for it.
  return chosen === "none" || (chosen === undefined && own === undefined && shared === undefined) ? null : settings
}

const batchOf = (given: Given, signal: Signal, processor: string, delayMs: number): BatchSettings | null => {
  const limitMs = number(given, `OTEL_${processor}_EXPORT_TIMEOUT`, 30_000, 1)
  const intervalMs = number(given, `OTEL_${processor}_SCHEDULE_DELAY`, delayMs, 1)
  const queueMax = number(given, `OTEL_${processor}_MAX_QUEUE_SIZE`, 2_048, 1)
  const size = `OTEL_${processor}_MAX_EXPORT_BATCH_SIZE`
  const batchMax = number(given, size, Math.min(512, queueMax), 1)
  if (batchMax > queueMax) {
    throw SettingText.invalid(size, `at most OTEL_${processor}_MAX_QUEUE_SIZE (${queueMax})`, String(batchMax))
  }
  const settings = signalOf(given, signal, intervalMs, limitMs)
  return settings === null ? null : { ...settings, batchMax, queueMax }
}

type Found = ReturnType<typeof SettingText.find>

/** The text is not repeated: it may hold a password. */
const url = (found: Found, path: string): string => {
  const text = found?.text ?? endpointDefault
  const parsed = URL.canParse(text) ? new URL(text) : undefined
  const right = "an http or https URL without user, password, query and fragment, such as http://127.0.0.1:4318"
  if (
    parsed === undefined ||
    !/^https?:$/.test(parsed.protocol) ||
    `${parsed.username}${parsed.password}${parsed.search}${parsed.hash}` !== ""
  ) {
    throw SettingText.invalid(found?.name ?? "OTEL_EXPORTER_OTLP_ENDPOINT", right, null)
  }
  return `${parsed.origin}${parsed.pathname.replace(/\/+$/, "")}${path}` || parsed.href
}

/** `key=value` pairs as in a W3C baggage: separated by commas, values percent-encoded. Never shown. */
const pairs = (found: Found, isName: RegExp, right: string): Readonly<Record<string, string>> => {
  const all: Record<string, string> = {}
  for (const part of (found?.text ?? "").split(",")) {
    if (part.trim() === "") continue
    const [, name = "", value = ""] = /^\s*([^=]*?)\s*=\s*(.*?)\s*$/s.exec(part) ?? []
    const decoded = decode(value)
    if (!isName.test(name) || decoded === undefined) throw SettingText.invalid(found!.name, right, null)
    all[name] = decoded
  }
  return all
}

const decode = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

const headers = (found: Found) => {
  const right = "header=value pairs with percent-encoded values, separated by commas"
  const all = pairs(found, /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, right)
  if (Object.values(all).some((value) => /[^\t\x20-\x7e]/.test(value))) {
    throw SettingText.invalid(found!.name, right, null)
  }
  return all
}

const resource = (given: Given) => {
  const found = SettingText.find(given, "OTEL_RESOURCE_ATTRIBUTES")
  const right = "key=value pairs with percent-encoded values, separated by commas"
  const { "service.name": named, ...attributes } = pairs(found, /^[\x21-\x7e]+$/, right)
  return { serviceName: SettingText.find(given, "OTEL_SERVICE_NAME")?.text ?? named ?? "kintsugi", attributes }
}

// ------------------------------------------------------------------ sampling

const sampler = (given: Given): ExportSettings["sampler"] => {
  const name: SamplerName = choice(given, ["OTEL_TRACES_SAMPLER"], samplerNames) ?? "parentbased_always_on"
  const arg = SettingText.find(given, "OTEL_TRACES_SAMPLER_ARG")
  if (arg === undefined) return { name, ratio: 1 }
  const ratio = Number(arg.text)
  if (!name.endsWith("traceidratio")) {
    const right = "left out, because only traceidratio and parentbased_traceidratio (OTEL_TRACES_SAMPLER) take one"
    throw SettingText.invalid(arg.name, right, null)
  }
  if (!/^\d*\.?\d+(?:e-\d+)?$/i.test(arg.text) || ratio > 1) {
    throw SettingText.invalid(arg.name, "a number from 0 to 1", arg.text)
  }
  return { name, ratio }
}

const temporality = (given: Given): "cumulative" | "delta" =>
  choice(given, ["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"], ["cumulative", "delta"]) ?? "cumulative"

// ----------------------------------------------------------------------- log

const levels = { trace: "Trace", debug: "Debug", info: "Info", warn: "Warn", error: "Error", none: "None" } as const

const log = (given: Given): LogSettings => {
  const names = Object.keys(levels) as ReadonlyArray<keyof typeof levels>
  return {
    level: levels[choice(given, ["KINTSUGI_LOG_LEVEL"], names) ?? "info"],
    format: choice(given, ["KINTSUGI_LOG_FORMAT"], ["json", "pretty"]) ?? null
  }
}

// ------------------------------------------------------------------- values

/** One of a few words, by the first of the variables that is set; undefined when none is. */
const choice = <const A extends string>(
  given: Given,
  variables: ReadonlyArray<string>,
  words: ReadonlyArray<A>
): A | undefined => {
  const found = variables
    .map((variable) => SettingText.find(given, variable))
    .find((candidate) => candidate !== undefined)
  if (found === undefined) return undefined
  const chosen = words.find((word) => word === found.text.toLowerCase())
  if (chosen === undefined) throw SettingText.invalid(found.name, `one of ${words.join(", ")}`, found.text)
  return chosen
}

const number = (given: Given, variable: string, otherwise: number, minimum: number): number =>
  SettingText.wholeNumber(given, { variable, otherwise, minimum, maximum: 2_147_483_647 })
