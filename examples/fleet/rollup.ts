import type { Sample } from "./telemetry.ts"

/** Above these a sample is an anomaly. */
export interface Limits {
  readonly temperatureLimitC: number
  readonly humidityLimitPct: number
}

export type Range = {
  readonly min: number
  readonly max: number
  /** Rounded to 3 digits. */
  readonly mean: number
}

/** The samples beyond a limit; null throughout when there are none. */
export type AnomalyWindow = {
  readonly flagged: boolean
  readonly reason: string | null
  /** Times of the first and the last such sample. */
  readonly firstSample: string | null
  readonly lastSample: string | null
}

/** What one instrument measured in a day. */
export type Rollup = {
  readonly instrumentId: string
  readonly day: string
  readonly samples: number
  readonly firstSample: string
  readonly lastSample: string
  readonly temperatureC: Range
  readonly humidityPct: Range
  /** How many samples bear each flag. */
  readonly qualityFlags: { readonly [flag: string]: number }
  readonly limits: { readonly temperatureLimitC: number; readonly humidityLimitPct: number }
  readonly anomalyWindow: AnomalyWindow
}

/** Rolls up a day's samples, at least one, which come in the order of time. */
export const rollupOf = (
  instrumentId: string,
  day: string,
  samples: ReadonlyArray<Sample>,
  { humidityLimitPct, temperatureLimitC }: Limits
): Rollup => ({
  instrumentId,
  day,
  samples: samples.length,
  firstSample: samples[0]?.timestamp ?? "",
  lastSample: samples.at(-1)?.timestamp ?? "",
  temperatureC: rangeOf(samples.map(({ temperature_c }) => temperature_c)),
  humidityPct: rangeOf(samples.map(({ humidity_pct }) => humidity_pct)),
  qualityFlags: Object.fromEntries(
    [...Map.groupBy(samples, ({ quality_flag }) => quality_flag)]
      .map(([flag, own]) => [flag, own.length] as const)
      .sort(([left], [right]) => (left < right ? -1 : 1))
  ),
  limits: { temperatureLimitC, humidityLimitPct },
  anomalyWindow: anomalyWindow(samples, { humidityLimitPct, temperatureLimitC })
})

const rangeOf = (values: ReadonlyArray<number>): Range => ({
  min: Math.min(...values),
  max: Math.max(...values),
  mean: Number((values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(3))
})

/** From the first to the last sample above a limit; a sample at the limit is none. */
export const anomalyWindow = (samples: ReadonlyArray<Sample>, limits: Limits): AnomalyWindow => {
  const hot = samples.filter(({ temperature_c }) => temperature_c > limits.temperatureLimitC)
  const humid = samples.filter(({ humidity_pct }) => humidity_pct > limits.humidityLimitPct)
  const beyond = samples.filter((sample) => hot.includes(sample) || humid.includes(sample))
  const reasons = [
    ...(hot.length > 0 ? [`temperature above ${limits.temperatureLimitC} °C`] : []),
    ...(humid.length > 0 ? [`humidity above ${limits.humidityLimitPct} %`] : [])
  ]
  return {
    flagged: beyond.length > 0,
    reason: reasons.length === 0 ? null : reasons.join(", "),
    firstSample: beyond[0]?.timestamp ?? null,
    lastSample: beyond.at(-1)?.timestamp ?? null
  }
}
