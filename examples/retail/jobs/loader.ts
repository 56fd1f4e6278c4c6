import { defineJob, isJobFailure, type JobContext, PermanentFailure } from "kintsugi"
import { parseDay } from "../../days.ts"
import { assetIds, csvKey } from "../assets.ts"
import { parseSales, rawPartition } from "../sales.ts"

interface Parameters {
  /** What the names of the CSVs begin with. */
  readonly datasetName: string
}

/** Reads the CSV of a day, checks it, and keeps the day with its sums. Fails when the file is missing or empty. */
export const loader = defineJob<Parameters>({
  slug: "retail-sales-csv-loader",
  description: "Turns the CSV of a day into a checked partition",
  run: async (ctx) => {
    const day = parseDay("the partition key", ctx.partitionKey)
    const key = csvKey(ctx.parameters.datasetName, day)
    const raw = rawPartition(day, parseSales(key, day, await delivered(ctx, key)))
    const location = await ctx.files.writeText("staging", `raw/${day}.json`, `${JSON.stringify(raw)}\n`)
    const asset = { assetId: assetIds.raw, payload: raw, locations: [location] }
    return { result: { partitionKey: day, rows: raw.records.length, totals: raw.totals, assets: [asset] } }
  }
})

/** No producer here could bring a delivery back, and waiting for one would be waiting for ever. */
const delivered = async (ctx: JobContext<Parameters>, key: string): Promise<string> => {
  try {
    return await ctx.files.readText("inbox", key)
  } catch (cause) {
    if (!isJobFailure(cause) || cause._tag !== "AssetMissing") throw cause
    const message = `${key} is not in the store inbox: it comes from outside and cannot be made again; deliver it anew`
    throw new PermanentFailure({ message, cause })
  }
}
