import type { Reading } from "./readings.ts"

export interface Summary {
  readonly min: number
  readonly max: number
  readonly mean: number
}

/** Lowest, highest and mean value, rounded to 3 digits; throws when there is none. */
export const summarize = (values: ReadonlyArray<number>): Summary => {
  if (values.length === 0) throw new Error("there is nothing to summarize")
  const sum = values.reduce((total, value) => total + value, 0)
  return { min: Math.min(...values), max: Math.max(...values), mean: Number((sum / values.length).toFixed(3)) }
}

/** PM2.5 in micrograms a cubic metre from which a reading counts as a part of a burst. */
export const burstThreshold = 12

/** What one instrument's readings come to. */
export interface InstrumentMetrics {
  readonly instrumentId: string
  readonly site: string
  readonly samples: number
  readonly temperatureC: Summary
  readonly humidityPct: Summary
  readonly pm25: Summary
  readonly burstSamples: number
  readonly batteryVoltageMin: number
}

/** One entry an instrument, in the order of their ids. */
export const metricsOf = (readings: ReadonlyArray<Reading>): ReadonlyArray<InstrumentMetrics> =>
  [...Map.groupBy(readings, ({ instrument_id }) => instrument_id)]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([instrumentId, own]) => ({
      instrumentId,
      site: own[0]?.site ?? "",
      samples: own.length,
      temperatureC: summarize(own.map(({ temperature_c }) => temperature_c)),
      humidityPct: summarize(own.map(({ relative_humidity_pct }) => relative_humidity_pct)),
      pm25: summarize(own.map(({ pm2_5_ug_m3 }) => pm2_5_ug_m3)),
      burstSamples: own.filter(({ pm2_5_ug_m3 }) => pm2_5_ug_m3 >= burstThreshold).length,
      batteryVoltageMin: Math.min(...own.map(({ battery_voltage }) => battery_voltage))
    }))
