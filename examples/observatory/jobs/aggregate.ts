import { defineJob, PermanentFailure } from "kintsugi"
import { assetIds, dataset } from "../assets.ts"
import { instruments, parseMinute, seriesKey } from "../instruments.ts"

/** `windowMinutes`: how many of the newest minutes the dashboard shows. */
interface Window {
  readonly windowMinutes: number
}

/** Sums of decimals are exact, so that the order in which threads add them up makes no difference to the mean. */
const mean = (column: string): string => `round(avg(${column}::DECIMAL(12, 4)), 3)`

const statistics = `
  SELECT instrument_id, site, count(*) AS samples, count(DISTINCT substr(timestamp, 1, 16)) AS minutes,
    ${mean("temperature_c")} AS temperature_c_mean, ${mean("relative_humidity_pct")} AS humidity_pct_mean,
    ${mean("pm2_5_ug_m3")} AS pm2_5_mean, max(pm2_5_ug_m3) AS pm2_5_max, min(battery_voltage) AS battery_min
  FROM ${dataset} GROUP BY instrument_id, site ORDER BY instrument_id`

/** Sums up the newest minutes of every instrument for the dashboard. */
export const aggregate = defineJob<Window>({
  slug: "observatory-aggregate",
  description: "Aggregates the window's partitions with DuckDB",
  run: async (ctx) => {
    const recorded = ctx.inputs[assetIds.timestore]
    if (recorded === undefined) throw new PermanentFailure("no minute has been ingested yet: there is nothing to show")
    const minutes = recorded.all
      .slice(-ctx.parameters.windowMinutes)
      .map(({ partitionKey }) => parseMinute(partitionKey))
    const rows = await ctx.timestore.query(dataset, statistics, [], {
      partitions: minutes.flatMap((minute) => instruments.map(({ id }) => seriesKey(id, minute)))
    })
    const snapshot = { from: minutes[0]?.key ?? null, to: minutes.at(-1)?.key ?? null, instruments: rows }
    const location = await ctx.files.writeText("reports", "dashboard/snapshot.json", `${JSON.stringify(snapshot)}\n`)
    const payload = { from: snapshot.from, to: snapshot.to, minutes: minutes.length }
    return { result: { ...payload, assets: [{ assetId: assetIds.dashboard, payload, locations: [location] }] } }
  }
})
