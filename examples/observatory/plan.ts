import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { DateTime } from "effect"
import type { Plan } from "../plan.ts"
import { type Calibration, calibrationKey } from "./calibration.ts"

const generator = "observatory-generator"
const ingest = "observatory-minute-ingest"
const publication = "observatory-daily-publication"
const dashboard = "observatory-dashboard-aggregate"
const calibration = "observatory-calibration"

/** The minute that began so many minutes before the current one. */
const minuteBefore = (now: string, minutes: number): string =>
  DateTime.formatIso(DateTime.subtract(DateTime.makeUnsafe(now), { minutes }))
    .slice(0, "2026-01-31T00:00".length)
    .replace(":", "-")

/** Minutes that the schedule does not fetch while the example is played. */
const older = (now: string): string => minuteBefore(now, 6)
const newer = (now: string): string => minuteBefore(now, 5)

/** That a minute is ingested and published. */
const processed = (partitionKey: string) => [
  { workflow: ingest, partitionKey, reason: "upstream-update", of: generator } as const,
  { workflow: publication, partitionKey, reason: "upstream-update", of: ingest } as const
]

/**
 * Two minutes are fetched; all else follows: ingest and publication, and the dashboard when the burst window has expired.
 * Then alpha's calibration arrives, which is good from the newer minute on: that minute alone is made again.
 */
export const plan: Plan = {
  title: "Environmental observatory",
  prepare: async (folder, now) => {
    const delivered: Calibration = {
      instrument: "alpha",
      from: newer(now),
      temperatureOffsetC: -0.4,
      pm25Factor: 1.05
    }
    const calibrations = join(folder, "data/calibrations")
    await mkdir(calibrations, { recursive: true })
    await writeFile(join(calibrations, calibrationKey("alpha")), `${JSON.stringify(delivered, null, 2)}\n`)
  },
  stages: (_, now) => [
    { starts: [{ workflow: generator, partitionKey: older(now) }], follows: processed(older(now)) },
    {
      starts: [{ workflow: generator, partitionKey: newer(now) }],
      follows: [...processed(newer(now)), { workflow: dashboard, reason: "expiry" }]
    },
    {
      starts: [{ workflow: calibration, partitionKey: "alpha" }],
      follows: [
        { workflow: ingest, partitionKey: newer(now), reason: "stale" },
        { workflow: publication, partitionKey: newer(now), reason: "upstream-update", of: ingest }
      ]
    }
  ],
  page: (now) => `data/reports/status/${newer(now)}/status.html`
}
