import { defineJob, PermanentFailure } from "kintsugi"
import { assetIds, warehouseKeys } from "../assets.ts"
import { parquetOf } from "../parquetFile.ts"
import type { RawPartition } from "../sales.ts"

interface Parameters {
  /** Folder of the store `warehouse` into which the files go. */
  readonly warehouseDir: string
}

/** What `retail_sales_<day>.summary.json` holds. */
export type DaySummary = Pick<RawPartition, "partitionKey" | "totals" | "byCategory" | "byRegion" | "channels"> & {
  readonly parquetFile: string
  readonly summaryFile: string
}

/** Writes a day into the warehouse: its rows as Parquet, and a summary beside them. */
export const parquetBuilder = defineJob<Parameters>({
  slug: "retail-sales-parquet-builder",
  description: "Writes the Parquet file and the summary of a day",
  run: async (ctx) => {
    const [part] = ctx.inputs[assetIds.raw]?.locations ?? []
    if (part === undefined) throw new PermanentFailure(`${assetIds.raw} of ${ctx.partitionKey} has no file`)
    const raw = JSON.parse(await ctx.files.readText(part.store, part.key)) as RawPartition
    const { byCategory, byRegion, channels, partitionKey, records, totals } = raw
    const keys = warehouseKeys(ctx.parameters.warehouseDir, partitionKey)
    const parquet = await parquetOf(records)
    const summary: DaySummary = { partitionKey, ...keys, totals, byCategory, byRegion, channels }
    const locations = [
      await ctx.files.writeBytes("warehouse", keys.parquetFile, parquet.bytes),
      await ctx.files.writeText("warehouse", keys.summaryFile, `${JSON.stringify(summary, null, 2)}\n`)
    ]
    const metrics = { parquetRows: parquet.rows, parquetRevenue: parquet.revenue }
    return { result: { metrics, assets: [{ assetId: assetIds.parquet, payload: summary, locations }] } }
  }
})
