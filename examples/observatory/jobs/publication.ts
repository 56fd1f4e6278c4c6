import { defineJob } from "kintsugi"
import { assetIds, dataset } from "../assets.ts"
import { instruments, parseMinute, seriesKey } from "../instruments.ts"
import type { Reading } from "../readings.ts"
import { type MinuteMetrics, statusHtml, statusJson, statusMarkdown, verdictOf } from "../report.ts"
import { metricsOf } from "../statistics.ts"
import { lineChart } from "../svg.ts"
import { type Paced, pause } from "./pause.ts"

const columns = "timestamp, instrument_id, site, temperature_c, relative_humidity_pct, pm2_5_ug_m3, battery_voltage"

/** Draws temperature and PM2.5 of a minute, and writes its metrics. */
export const plot = defineJob({
  slug: "observatory-plot",
  description: "Draws the plots of a minute from the timestore",
  run: async (ctx) => {
    const minute = parseMinute(ctx.partitionKey)
    const readings = (await ctx.timestore.query(
      dataset,
      `SELECT ${columns} FROM ${dataset} ORDER BY instrument_id, timestamp`,
      [],
      { partitions: instruments.map(({ id }) => seriesKey(id, minute)) }
    )) as unknown as ReadonlyArray<Reading>
    const metrics: MinuteMetrics = { minute: minute.key, instruments: metricsOf(readings) }
    const seriesOf = (value: (reading: Reading) => number) =>
      instruments.map(({ id }) => ({
        name: id,
        values: readings.filter(({ instrument_id }) => instrument_id === id).map(value)
      }))
    // Every instrument measures at the same seconds.
    const seconds = [...new Set(readings.map(({ timestamp }) => timestamp.slice(17, 19)))].map((text) => `:${text}`)
    const folder = `plots/${minute.key}`
    const temperature = lineChart(
      `Temperature, ${minute.key}`,
      "°C",
      seriesOf((reading) => reading.temperature_c),
      seconds
    )
    const pm25 = lineChart(
      `PM2.5, ${minute.key}`,
      "µg/m³",
      seriesOf((reading) => reading.pm2_5_ug_m3),
      seconds
    )
    const locations = [
      await ctx.files.writeText("reports", `${folder}/metrics.json`, `${JSON.stringify(metrics, null, 2)}\n`),
      await ctx.files.writeText("reports", `${folder}/temperature.svg`, temperature),
      await ctx.files.writeText("reports", `${folder}/pm25.svg`, pm25)
    ]
    const payload = { minute: minute.key, plots: ["temperature.svg", "pm25.svg"] }
    return { result: { ...payload, assets: [{ assetId: assetIds.visualizations, payload, locations }] } }
  }
})

/** Publishes the status of a minute from its metrics and plots. */
export const publish = defineJob<Paced>({
  slug: "observatory-publish",
  description: "Writes the status report of a minute",
  run: async (ctx) => {
    const minute = parseMinute(ctx.partitionKey)
    const plots = `plots/${minute.key}`
    const metrics = JSON.parse(await ctx.files.readText("reports", `${plots}/metrics.json`)) as MinuteMetrics
    await pause(ctx.parameters.stepDelayMs, ctx.signal)
    const drawings = [
      await ctx.files.readText("reports", `${plots}/temperature.svg`),
      await ctx.files.readText("reports", `${plots}/pm25.svg`)
    ]
    const folder = `status/${minute.key}`
    const locations = [
      await ctx.files.writeText("reports", `${folder}/status.md`, statusMarkdown(metrics)),
      await ctx.files.writeText("reports", `${folder}/status.html`, statusHtml(metrics, drawings)),
      await ctx.files.writeText("reports", `${folder}/status.json`, statusJson(metrics))
    ]
    const payload = { minute: minute.key, verdict: verdictOf(metrics) }
    return { result: { ...payload, assets: [{ assetId: assetIds.reports, payload, locations }] } }
  }
})
