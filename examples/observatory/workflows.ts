import { defineWorkflow } from "kintsugi"
import { assetIds } from "./assets.ts"
import { aggregate } from "./jobs/aggregate.ts"
import { generate } from "./jobs/generate.ts"
import { load, normalize } from "./jobs/ingest.ts"
import { plot, publish } from "./jobs/publication.ts"

/** Parameters of the workflows whose first reads can be slowed down. */
const paced = {
  defaultParameters: { stepDelayMs: 0 },
  parametersSchema: {
    type: "object",
    properties: { stepDelayMs: { type: "integer", minimum: 0, maximum: 60_000 } },
    additionalProperties: false
  }
}

/** inbox.csv has no inputs: it is acquired from outside, so that healing it means to acquire it again. */
const generator = defineWorkflow({
  slug: "observatory-generator",
  name: "Instrument data of a minute",
  steps: [{ id: "generate", jobSlug: generate.slug, produces: [{ assetId: assetIds.inboxCsv }] }]
})

const minuteIngest = defineWorkflow({
  slug: "observatory-minute-ingest",
  name: "CSV to timestore",
  ...paced,
  steps: [
    {
      id: "normalize-inbox",
      jobSlug: normalize.slug,
      consumes: [{ assetId: assetIds.inboxCsv }],
      produces: [{ assetId: assetIds.normalized }]
    },
    {
      id: "load-timestore",
      jobSlug: load.slug,
      dependsOn: ["normalize-inbox"],
      consumes: [{ assetId: assetIds.normalized }],
      produces: [{ assetId: assetIds.timestore }, { assetId: assetIds.burstWindow }]
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
      produces: [{ assetId: assetIds.visualizations }]
    },
    {
      id: "publish-reports",
      jobSlug: publish.slug,
      dependsOn: ["generate-plots"],
      consumes: [{ assetId: assetIds.visualizations }],
      produces: [{ assetId: assetIds.reports }]
    }
  ]
})

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
      consumes: [{ assetId: assetIds.timestore, partitions: "all" }],
      produces: [{ assetId: assetIds.dashboard }]
    }
  ]
})

export const jobs = [generate, normalize, load, plot, publish, aggregate]
export const workflows = [generator, minuteIngest, dailyPublication, dashboardAggregate]
