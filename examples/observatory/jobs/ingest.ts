import { defineJob } from "kintsugi"
import { assetIds, dataset } from "../assets.ts"
import { type Calibration, calibrated } from "../calibration.ts"
import { csvKey, instruments, parseMinute, seriesKey } from "../instruments.ts"
import { parseCsv, type Reading } from "../readings.ts"
import { burstThreshold } from "../statistics.ts"
import { type Paced, pause } from "./pause.ts"

/** What a normalized file holds. */
interface Normalized {
  readonly minute: string
  readonly readings: ReadonlyArray<Reading>
}

/** Reads the CSVs of a minute, checks them, corrects them by the calibrations, and writes one normalized file. */
export const normalize = defineJob<Paced>({
  slug: "observatory-normalize",
  description: "Turns the CSVs of a minute into one checked JSON file",
  run: async (ctx) => {
    const minute = parseMinute(ctx.partitionKey)
    const calibrations = (ctx.inputs[assetIds.calibration]?.all ?? []).map(({ payload }) => payload as Calibration)
    const readings: Array<Reading> = []
    for (const [index, { id }] of instruments.entries()) {
      const key = csvKey(id, minute)
      const measured = parseCsv(key, await ctx.files.readText("inbox", key))
      readings.push(...measured.map((reading) => calibrated(reading, minute.key, calibrations)))
      if (index === 0) await pause(ctx.parameters.stepDelayMs, ctx.signal)
    }
    readings.sort((left, right) => (order(left) < order(right) ? -1 : 1))
    const normalized: Normalized = { minute: minute.key, readings }
    const location = await ctx.files.writeText("lake", `normalized/${minute.key}.json`, JSON.stringify(normalized))
    const payload = { minute: minute.key, readings: readings.length }
    return { result: { ...payload, assets: [{ assetId: assetIds.normalized, payload, locations: [location] }] } }
  }
})

const order = ({ instrument_id, timestamp }: Reading): string => `${timestamp}/${instrument_id}`

/** Loads a normalized minute into the timestore, one partition an instrument, and tells whether it holds a burst. */
export const load = defineJob({
  slug: "observatory-load",
  description: "Writes one Parquet partition an instrument",
  run: async (ctx) => {
    const minute = parseMinute(ctx.partitionKey)
    const { readings } = JSON.parse(await ctx.files.readText("lake", `normalized/${minute.key}.json`)) as Normalized
    const partitions = instruments.map(({ id }) => seriesKey(id, minute))
    const locations = []
    for (const { id } of instruments) {
      const rows = readings.filter(({ instrument_id }) => instrument_id === id)
      locations.push(
        await ctx.timestore.writePartition(
          dataset,
          seriesKey(id, minute),
          rows.map((row) => ({ ...row }))
        )
      )
    }
    const burst = readings.filter(({ pm2_5_ug_m3 }) => pm2_5_ug_m3 >= burstThreshold)
    const assets = [
      { assetId: assetIds.timestore, payload: { minute: minute.key, partitions, rows: readings.length }, locations },
      {
        assetId: assetIds.burstWindow,
        payload: {
          minute: minute.key,
          samples: burst.length,
          from: burst[0]?.timestamp ?? null,
          to: burst.at(-1)?.timestamp ?? null
        }
      }
    ]
    return { result: { rows: readings.length, assets } }
  }
})
