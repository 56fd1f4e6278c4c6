import { lineChart } from "../charts.ts"
import { escaped, page, table } from "../page.ts"
import type { Alerts } from "./alerts.ts"
import type { Rollup } from "./rollup.ts"

/** A sample as the timestore answers it. */
export interface Measured {
  readonly partition_key: string
  readonly timestamp: string
  readonly temperature_c: number
}

/** `temperature.svg`: a line an instrument over all times at which any of them measured. */
export const temperaturePlot = (samples: ReadonlyArray<Measured>): string => {
  const times = [...new Set(samples.map(({ timestamp }) => timestamp))].sort()
  return lineChart(
    {
      name: "temperature",
      title: "Temperature of the fleet",
      unit: "°C",
      labels: times.map((time) => time.slice(5, 16).replace("T", " "))
    },
    [...Map.groupBy(samples, ({ partition_key }) => partition_key)].map(([key, own]) => {
      const values = new Map(own.map(({ temperature_c, timestamp }) => [timestamp, temperature_c]))
      return { name: key.slice(0, key.lastIndexOf(".")), values: times.map((time) => values.get(time) ?? null) }
    })
  )
}

/** `index.html`, which shows the plot that lies beside it. */
export const alertsHtml = ({ flags, from, to, windowHours }: Alerts, rollups: ReadonlyArray<Rollup>): string =>
  page("Fleet telemetry", [
    `<p>${windowHours} hours, ${escaped(from)} to ${escaped(to)}: ${flags.length} to be looked at.</p>`,
    table(
      ["Instrument", "what", "why", "first sample", "last sample"],
      flags.map(({ firstSample, instrumentId, kind, lastSample, reason }) => [
        instrumentId,
        kind,
        reason,
        firstSample ?? "",
        lastSample
      ])
    ),
    '<img src="temperature.svg" alt="Temperature of each instrument">',
    table(
      ["Instrument", "day", "samples", "°C min", "mean", "max", "% min", "mean", "max"],
      rollups.map(({ day, humidityPct, instrumentId, samples, temperatureC }) => [
        instrumentId,
        day,
        String(samples),
        ...[temperatureC.min, temperatureC.mean, temperatureC.max].map((value) => value.toFixed(1)),
        ...[humidityPct.min, humidityPct.mean, humidityPct.max].map((value) => value.toFixed(1))
      ])
    )
  ])
