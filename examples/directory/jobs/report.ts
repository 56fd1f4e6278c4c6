import { DateTime } from "effect"
import { defineJob } from "kintsugi"
import { type Artifact, assetIds, dataset } from "../assets.ts"
import { reportHtml, summaryMarkdown } from "../report.ts"
import type { ScanResults } from "../scan.ts"

interface Parameters {
  /** Folder of the store `reports`. */
  readonly outputDir: string
  readonly reportTitle: string
  /** What the scan found. */
  readonly scanData: ScanResults
}

/** What `directory.insights.report` says. */
export type ReportPayload = {
  readonly outputDir: string
  readonly reportTitle: string
  readonly rootPath: string
  /** ISO 8601. It stands in no file, so that a report that is made again has the bytes that it had. */
  readonly generatedAt: string
  readonly summary: ScanResults["summary"]
  readonly artifacts: ReadonlyArray<Artifact>
}

/** Writes the report on a scan: the data, a page with plots, a summary, and the extensions as a Parquet partition. */
export const report = defineJob<Parameters>({
  slug: "generate-visualizations",
  description: "Writes the report on a scanned folder",
  run: async (ctx) => {
    const { outputDir, reportTitle, scanData } = ctx.parameters
    const written: ReadonlyArray<readonly [string, string, string, string]> = [
      ["scan-data.json", "application/json", "What the scan found", `${JSON.stringify(scanData, null, 2)}\n`],
      ["index.html", "text/html", "Plots and largest files", reportHtml(reportTitle, scanData)],
      ["summary.md", "text/markdown", "The figures in short", summaryMarkdown(reportTitle, scanData)]
    ]
    const locations = []
    const artifacts: Array<Artifact> = []
    for (const [relativePath, mediaType, description, text] of written) {
      const location = await ctx.files.writeText("reports", `${outputDir}/${relativePath}`, text)
      locations.push(location)
      artifacts.push({ relativePath, mediaType, description, sizeBytes: location.bytes })
    }
    // A folder without files has no extensions, and a partition has rows.
    if (scanData.extensionStats.length > 0) {
      locations.push(await ctx.timestore.writePartition(dataset, outputDir, scanData.extensionStats))
    }
    const payload: ReportPayload = {
      outputDir,
      reportTitle,
      rootPath: scanData.rootPath,
      generatedAt: DateTime.formatIso(DateTime.nowUnsafe()),
      summary: scanData.summary,
      artifacts
    }
    return { result: { outputDir, artifacts, assets: [{ assetId: assetIds.report, payload, locations }] } }
  }
})
