import { defineWorkflow } from "kintsugi"
import { assetIds } from "./assets.ts"
import { alerts } from "./jobs/alerts.ts"
import { rollup } from "./jobs/rollup.ts"

const folder = { type: "string", pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$" }

const dailyRollup = defineWorkflow({
  slug: "fleet-telemetry-daily-rollup",
  name: "A day of one instrument",
  description: "The partition key is the instrument. Without a day, the newest that it has delivered is rolled up.",
  defaultParameters: {
    dataRoot: "instruments",
    temperatureLimitC: 30,
    humidityLimitPct: 65,
    outputDir: "telemetry"
  },
  parametersSchema: {
    type: "object",
    properties: {
      dataRoot: folder,
      day: { type: "string", pattern: "^\\d{4}-\\d{2}-\\d{2}$" },
      temperatureLimitC: { type: "number" },
      humidityLimitPct: { type: "number", minimum: 0, maximum: 100 },
      outputDir: folder
    },
    additionalProperties: false
  },
  steps: [
    {
      id: "compute-telemetry",
      jobSlug: rollup.slug,
      parameters: { instrumentId: "{{ run.partitionKey }}" },
      produces: [
        {
          assetId: assetIds.instrument,
          freshness: { ttlMs: 86_400_000 },
          partitioning: { type: "dynamic", maxKeys: 1000, retentionDays: 120 }
        }
      ]
    }
  ]
})

const fleetAlerts = defineWorkflow({
  slug: "fleet-telemetry-alerts",
  name: "What is to be looked at in the fleet",
  defaultParameters: { telemetryDir: "telemetry", windowHours: 24 },
  parametersSchema: {
    type: "object",
    properties: { telemetryDir: folder, windowHours: { type: "integer", minimum: 1, maximum: 168 } },
    additionalProperties: false
  },
  steps: [
    {
      id: "scan-instruments",
      jobSlug: alerts.slug,
      consumes: [{ assetId: assetIds.instrument, partitions: "all" }],
      produces: [
        {
          assetId: assetIds.alerts,
          autoMaterialize: { onUpstreamUpdate: true, priority: 6, parameterDefaults: { windowHours: 24 } }
        }
      ]
    }
  ]
})

export const jobs = [rollup, alerts]
export const workflows = [dailyRollup, fleetAlerts]
