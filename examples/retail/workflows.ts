import { defineWorkflow } from "kintsugi"
import { assetIds } from "./assets.ts"
import { loader } from "./jobs/loader.ts"
import { parquetBuilder } from "./jobs/parquet.ts"
import { visualizer } from "./jobs/visualizer.ts"

const retryPolicy = { maxAttempts: 2, strategy: "exponential" } as const

const dailyIngest = defineWorkflow({
  slug: "retail-sales-daily-ingest",
  name: "A day of sales, from CSV to Parquet",
  description: "The partition key is the day, such as 2026-01-31.",
  defaultParameters: { datasetName: "retail_sales", warehouseDir: "sales" },
  parametersSchema: {
    type: "object",
    properties: {
      datasetName: { type: "string", pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$" },
      warehouseDir: { type: "string", pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$" },
      // An automatic run of a time window is given it: key, start, end and time zone.
      window: { type: "object" }
    },
    additionalProperties: false
  },
  steps: [
    {
      id: "load-partition",
      jobSlug: loader.slug,
      retryPolicy,
      produces: [
        {
          assetId: assetIds.raw,
          partitioning: { type: "timeWindow", granularity: "day", lookbackWindows: 30 }
        }
      ]
    },
    {
      id: "build-parquet",
      jobSlug: parquetBuilder.slug,
      dependsOn: ["load-partition"],
      retryPolicy,
      consumes: [{ assetId: assetIds.raw }],
      produces: [{ assetId: assetIds.parquet, partitioning: { type: "timeWindow", granularity: "day" } }]
    }
  ]
})

const insights = defineWorkflow({
  slug: "retail-sales-insights",
  name: "Sales report of the last days",
  defaultParameters: { lookback: 14 },
  parametersSchema: {
    type: "object",
    properties: { lookback: { type: "integer", minimum: 1, maximum: 90 } },
    additionalProperties: false
  },
  steps: [
    {
      id: "render-report",
      jobSlug: visualizer.slug,
      retryPolicy,
      // All that were made: `lookback` is counted from the newest of them.
      consumes: [{ assetId: assetIds.parquet, partitions: "all" }],
      produces: [{ assetId: assetIds.report, autoMaterialize: { onUpstreamUpdate: true, priority: 4 } }]
    }
  ]
})

export const jobs = [loader, parquetBuilder, visualizer]
export const workflows = [dailyIngest, insights]
