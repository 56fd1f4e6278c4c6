import { defineJob, type JobContext, PermanentFailure } from "kintsugi"
import { parseDay } from "../../days.ts"
import { assetIds, csvKey, dataset, dayOf, instrumentDir, rollupKey, seriesKey } from "../assets.ts"
import { type Limits, rollupOf } from "../rollup.ts"
import { parseTelemetry } from "../telemetry.ts"

interface Parameters extends Limits {
  /** Folder of the store `inbox` that holds a folder an instrument. */
  readonly dataRoot: string
  readonly instrumentId: string
  /** Such as 2026-01-31; default: the newest that the instrument has delivered. */
  readonly day?: string
  /** Folder of the store `lake` for the rollups. */
  readonly outputDir: string
}

/** Rolls up what one instrument measured in a day: a JSON file, and its samples as a partition of the timestore. */
export const rollup = defineJob<Parameters>({
  slug: "fleet-telemetry-rollup",
  description: "Rolls up a day of one instrument",
  run: async (ctx) => {
    const { dataRoot, instrumentId, outputDir } = ctx.parameters
    if (!/^[A-Za-z0-9_-]{1,100}$/.test(instrumentId)) {
      throw new PermanentFailure(
        `the partition key must be an instrument such as instrument_A, not ${JSON.stringify(instrumentId)}`
      )
    }
    const day = ctx.parameters.day === undefined ? await newestDay(ctx) : parseDay("parameter day", ctx.parameters.day)
    const key = csvKey(dataRoot, instrumentId, day)
    const samples = parseTelemetry(key, day, await ctx.files.readText("inbox", key))
    const rolledUp = rollupOf(instrumentId, day, samples, ctx.parameters)
    const locations = [
      await ctx.files.writeText("lake", rollupKey(outputDir, instrumentId, day), `${JSON.stringify(rolledUp)}\n`),
      await ctx.timestore.writePartition(dataset, seriesKey(instrumentId, day), samples)
    ]
    const { flagged } = rolledUp.anomalyWindow
    return { result: { day, flagged, assets: [{ assetId: assetIds.instrument, payload: rolledUp, locations }] } }
  }
})

const newestDay = async ({ files, parameters }: JobContext<Parameters>): Promise<string> => {
  const { dataRoot, instrumentId } = parameters
  const delivered = await files.list("inbox", instrumentDir(dataRoot, instrumentId))
  const days = delivered.flatMap(({ key }) => dayOf(instrumentId, key) ?? [])
  const newest = days.sort().at(-1)
  if (newest === undefined) {
    throw new PermanentFailure(`${instrumentId} has delivered nothing into ${dataRoot} of the store inbox`)
  }
  return newest
}
