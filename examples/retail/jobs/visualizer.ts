import { defineJob, PermanentFailure } from "kintsugi"
import { assetIds } from "../assets.ts"
import { daysWithin, metricsOf } from "../insights.ts"
import { reportHtml, revenueTrend } from "../report.ts"
import type { DaySummary } from "./parquet.ts"

interface Parameters {
  /** How many days the report goes back from the newest, 1 to 90. */
  readonly lookback: number
}

const folder = "retail-sales"

/** Draws the report from the summaries of the last days. Which days there are is what the log says, not a listing. */
export const visualizer = defineJob<Parameters>({
  slug: "retail-sales-visualizer",
  description: "Writes the sales report of the last days",
  run: async (ctx) => {
    const recorded = ctx.inputs[assetIds.parquet]?.all ?? []
    const days = new Set(
      daysWithin(
        recorded.map(({ partitionKey = "" }) => partitionKey),
        ctx.parameters.lookback
      )
    )
    if (days.size === 0) throw new PermanentFailure("no day has been ingested yet: there is nothing to report")
    const summaries: Array<DaySummary> = []
    for (const { locations, partitionKey } of recorded) {
      if (!days.has(partitionKey ?? "")) continue
      const part = locations.find(({ key }) => key.endsWith(".summary.json"))
      if (part === undefined) throw new PermanentFailure(`${assetIds.parquet} of ${partitionKey} has no summary`)
      summaries.push(JSON.parse(await ctx.files.readText(part.store, part.key)) as DaySummary)
    }
    const metrics = metricsOf(summaries, ctx.parameters.lookback)
    const locations = [
      await ctx.files.writeText("reports", `${folder}/index.html`, reportHtml(metrics)),
      await ctx.files.writeText("reports", `${folder}/revenue-trend.svg`, revenueTrend(metrics)),
      await ctx.files.writeText("reports", `${folder}/metrics.json`, `${JSON.stringify(metrics, null, 2)}\n`)
    ]
    const { from, to, totals } = metrics
    const payload = { from, to, days: metrics.days, totals }
    return { result: { ...payload, assets: [{ assetId: assetIds.report, payload, locations }] } }
  }
})
