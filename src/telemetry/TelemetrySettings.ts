import type { LogLevel, Redacted } from "effect"
import type { Sampler } from "./Sampler.ts"

/** Where one signal goes by OTLP over HTTP, and how. */
export interface SignalSettings {
  readonly url: string
  readonly protocol: "http/protobuf" | "http/json"
  /** They may hold a credential. */
  readonly headers: Redacted.Redacted<Readonly<Record<string, string>>>
  readonly compression: "gzip" | "none"
  /** Of one request to the receiver, ms. */
  readonly timeoutMs: number
  /** From one export to the next, ms. */
  readonly intervalMs: number
}

export interface BatchSettings extends SignalSettings {
  /** Most items of one request. */
  readonly batchMax: number
  /** Most items that wait for a receiver that takes nothing; what comes beyond is dropped and counted. */
  readonly queueMax: number
}

/** Which signals are exported; null: not this one. */
export interface ExportSettings {
  readonly serviceName: string
  readonly attributes: Readonly<Record<string, string>>
  readonly sampler: Sampler
  readonly traces: BatchSettings | null
  readonly logs: BatchSettings | null
  readonly metrics: (SignalSettings & { readonly temporality: "cumulative" | "delta" }) | null
}

export interface LogSettings {
  readonly level: LogLevel.LogLevel
  /** null: pretty on a terminal, else JSON. */
  readonly format: "json" | "pretty" | null
}

export interface TelemetrySettings {
  /** null: nothing is exported, and no span is made. */
  readonly exported: ExportSettings | null
  readonly log: LogSettings
}
