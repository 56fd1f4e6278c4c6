import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { daysBefore } from "../days.ts"
import type { Plan } from "../plan.ts"
import { csvKey } from "./assets.ts"
import { csvOf, instruments } from "./generator.ts"

/** Three instruments deliver two days each; the newest is rolled up, and the scan of the fleet follows by itself. */
export const plan: Plan = {
  title: "Fleet telemetry",
  prepare: async (folder, now) => {
    for (const day of daysBefore(now.slice(0, "2026-01-31".length), 2)) {
      for (const instrument of instruments) {
        const path = join(folder, "data/inbox", csvKey("instruments", instrument.id, day))
        await mkdir(dirname(path), { recursive: true })
        await writeFile(path, csvOf(instrument, day))
      }
    }
  },
  stages: () => [
    {
      starts: instruments.map(({ id }) => ({ workflow: "fleet-telemetry-daily-rollup", partitionKey: id })),
      follows: [{ workflow: "fleet-telemetry-alerts", reason: "upstream-update", of: "fleet-telemetry-daily-rollup" }]
    }
  ],
  page: () => "data/reports/fleet-telemetry/index.html"
}
