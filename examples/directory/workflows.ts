import { defineWorkflow } from "kintsugi"
import { assetIds } from "./assets.ts"
import { archive } from "./jobs/archive.ts"
import { report } from "./jobs/report.ts"
import { scan } from "./jobs/scan.ts"

/** Two attempts, this far apart. */
const retryAfter = (initialDelayMs: number) =>
  ({ maxAttempts: 2, strategy: "fixed", initialDelayMs, jitter: "none" }) as const

const name = { type: "string", pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$" }

/** What a report says of itself, as far as an archive goes by it. */
const asset = {
  type: "object",
  properties: {
    outputDir: name,
    reportTitle: { type: "string" },
    artifacts: {
      type: "array",
      items: {
        type: "object",
        properties: { relativePath: { type: "string", minLength: 1, maxLength: 100 } },
        required: ["relativePath"]
      }
    }
  },
  required: ["outputDir", "reportTitle", "artifacts"]
}

const insightsReport = defineWorkflow({
  slug: "directory-insights-report",
  name: "Scan of a folder, and the report on it",
  defaultParameters: { maxEntries: 20_000, outputDir: "insights", reportTitle: "Directory insights" },
  parametersSchema: {
    type: "object",
    properties: {
      scanDir: { type: "string", minLength: 1, maxLength: 4096 },
      maxEntries: { type: "integer", minimum: 1_000, maximum: 200_000 },
      outputDir: name,
      reportTitle: { type: "string", minLength: 1, maxLength: 200 }
    },
    required: ["scanDir"],
    additionalProperties: false
  },
  steps: [
    { id: "scan", jobSlug: scan.slug, retryPolicy: retryAfter(5_000) },
    {
      id: "report",
      jobSlug: report.slug,
      dependsOn: ["scan"],
      parameters: { scanData: "{{ steps.scan.result.scanResults }}" },
      retryPolicy: retryAfter(5_000),
      produces: [{ assetId: assetIds.report, freshness: { ttlMs: 3_600_000 } }]
    }
  ]
})

const insightsArchive = defineWorkflow({
  slug: "directory-insights-archive",
  name: "Archive of the report",
  parametersSchema: {
    type: "object",
    properties: { reportDir: name, archiveDir: name, archiveName: name, asset },
    additionalProperties: false
  },
  steps: [
    {
      id: "zip-report",
      jobSlug: archive.slug,
      retryPolicy: retryAfter(10_000),
      consumes: [{ assetId: assetIds.report }],
      produces: [
        {
          assetId: assetIds.archive,
          autoMaterialize: { onUpstreamUpdate: true, parameterDefaults: { archiveDir: "archives" } }
        }
      ]
    }
  ]
})

export const jobs = [scan, report, archive]
export const workflows = [insightsReport, insightsArchive]
