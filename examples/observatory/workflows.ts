import { defineWorkflow } from "kintsugi"
import { assetIds } from "./assets.ts"
import { aggregate } from "./jobs/aggregate.ts"
import { importCalibration, planReprocessing } from "./jobs/calibration.ts"
import { generate } from "./jobs/generate.ts"
import { load, normalize } from "./jobs/ingest.ts"
import { plot, publish } from "./jobs/publication.ts"

/** A partition is a minute in UTC, written so that it can be a part of a file name. */
const minutes = { type: "timeWindow", granularity: "minute", format: "yyyy-MM-dd'T'HH-mm" } as const
const followsUpdates = { onUpstreamUpdate: true } as const

/** Parameters of the workflows whose first reads can be slowed down. */
const paced = {
  defaultParameters: { stepDelayMs: 0 },
  parametersSchema: {
    type: "object",
    properties: {
      stepDelayMs: { type: "integer", minimum: 0, maximum: 60_000 },
      // An automatic run of a time window is given it: key, start, end and time zone.
      window: { type: "object" }
    },
    additionalProperties: false
  }
}

/**
 * inbox.csv has no inputs: it is acquired from outside, so that healing it means to acquire it again. Each minute the one
 * before is fetched, which is complete.
 */
const generator = defineWorkflow({
  slug: "observatory-generator",
  name: "Instrument data of a minute",
  schedule: { cron: "* * * * *", window: "previous" },
  steps: [{ id: "generate", jobSlug: generate.slug, produces: [{ assetId: assetIds.inboxCsv, partitioning: minutes }] }]
})

const minuteIngest = defineWorkflow({
  slug: "observatory-minute-ingest",
  name: "CSV to timestore",
  ...paced,
  steps: [
    {
      id: "normalize-inbox",
      jobSlug: normalize.slug,
      consumes: [
        { assetId: assetIds.inboxCsv },
        // Which minutes a new calibration makes stale is for its own workflow to say.
        { assetId: assetIds.calibration, partitions: "all", optional: true, updateOn: "none" }
      ],
      produces: [{ assetId: assetIds.normalized, autoMaterialize: followsUpdates, partitioning: minutes }]
    },
    {
      id: "load-timestore",
      jobSlug: load.slug,
      dependsOn: ["normalize-inbox"],
      consumes: [{ assetId: assetIds.normalized }],
      produces: [
        { assetId: assetIds.timestore, partitioning: minutes },
        // That it expires starts the dashboard; it has not opted in itself, so no ingest runs for it.
        { assetId: assetIds.burstWindow, freshness: { ttlMs: 5_000 }, partitioning: minutes }
      ]
    }
  ]
})

const dailyPublication = defineWorkflow({
  slug: "observatory-daily-publication",
  name: "Plots and status report",
  ...paced,
  steps: [
    {
      id: "generate-plots",
      jobSlug: plot.slug,
      consumes: [{ assetId: assetIds.timestore }],
      produces: [{ assetId: assetIds.visualizations, autoMaterialize: followsUpdates, partitioning: minutes }]
    },
    {
      id: "publish-reports",
      jobSlug: publish.slug,
      dependsOn: ["generate-plots"],
      consumes: [{ assetId: assetIds.visualizations }],
      produces: [{ assetId: assetIds.reports, partitioning: minutes }]
    }
  ]
})

/** Runs when a burst window has expired, and when its own snapshot is a minute old. */
const dashboardAggregate = defineWorkflow({
  slug: "observatory-dashboard-aggregate",
  name: "Dashboard over the newest minutes",
  defaultParameters: { windowMinutes: 60 },
  parametersSchema: {
    type: "object",
    properties: { windowMinutes: { type: "integer", minimum: 1, maximum: 1440 } },
    additionalProperties: false
  },
  steps: [
    {
      id: "aggregate",
      jobSlug: aggregate.slug,
      consumes: [
        { assetId: assetIds.burstWindow, updateOn: "expired", optional: true },
        { assetId: assetIds.timestore, partitions: "all", updateOn: "none" }
      ],
      produces: [{ assetId: assetIds.dashboard, freshness: { ttlMs: 60_000 }, autoMaterialize: followsUpdates }]
    }
  ]
})

/** The partition key is the instrument. Started by hand when its new calibration lies in the store `calibrations`. */
const calibration = defineWorkflow({
  slug: "observatory-calibration",
  name: "Calibration of an instrument, and what it makes stale",
  steps: [
    {
      id: "import",
      jobSlug: importCalibration.slug,
      produces: [{ assetId: assetIds.calibration, partitioning: { type: "dynamic", maxKeys: 100 } }]
    },
    {
      id: "plan-reprocessing",
      jobSlug: planReprocessing.slug,
      dependsOn: ["import"],
      consumes: [{ assetId: assetIds.calibration }]
    }
  ]
})

export const jobs = [generate, normalize, load, plot, publish, aggregate, importCalibration, planReprocessing]
export const workflows = [generator, minuteIngest, dailyPublication, dashboardAggregate, calibration]
