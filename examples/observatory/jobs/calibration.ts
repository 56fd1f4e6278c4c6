import { defineJob, PermanentFailure } from "kintsugi"
import { assetIds, dataset } from "../assets.ts"
import { type Calibration, calibrationKey, correctedMinutes, parseCalibration } from "../calibration.ts"

/** Takes in the calibration that a laboratory has delivered for the instrument. */
export const importCalibration = defineJob({
  slug: "observatory-import-calibration",
  description: "Checks the calibration of an instrument and keeps it",
  run: async (ctx) => {
    const id = ctx.partitionKey ?? ""
    const key = calibrationKey(id)
    const payload = checked(key, id, await ctx.files.readText("calibrations", key))
    const location = await ctx.files.writeText("lake", `calibration/${key}`, `${JSON.stringify(payload, null, 2)}\n`)
    return { result: { assets: [{ assetId: assetIds.calibration, payload, locations: [location] }] } }
  }
})

/** Bad input, which no retry makes better. */
const checked = (file: string, id: string, text: string): Calibration => {
  try {
    return parseCalibration(file, id, text)
  } catch (cause) {
    throw new PermanentFailure({ message: cause instanceof Error ? cause.message : String(cause), cause })
  }
}

/** Marks each recorded minute that the calibration corrects: their ingest runs again by itself, and no other's. */
export const planReprocessing = defineJob({
  slug: "observatory-plan-reprocessing",
  description: "Marks the minutes stale that a new calibration corrects",
  run: async (ctx) => {
    const [input] = ctx.inputs[assetIds.calibration]?.all ?? []
    if (input === undefined) throw new PermanentFailure(`${assetIds.calibration} of ${ctx.partitionKey} is not there`)
    const calibration = input.payload as Calibration
    const series = `${calibration.instrument}.`
    const recorded = (await ctx.timestore.listPartitions(dataset)).filter((key) => key.startsWith(series))
    const minutes = correctedMinutes(
      calibration,
      recorded.map((key) => key.slice(series.length))
    )
    const note = `calibration of ${calibration.instrument} from ${calibration.from}, generation ${input.generation}`
    await ctx.assets.markStale(assetIds.normalized, minutes, note)
    return { result: { minutes } }
  }
})
