import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { daysBefore } from "../days.ts"
import type { Plan } from "../plan.ts"
import { csvKey } from "./assets.ts"
import { csvOf, instruments } from "./generator.ts"

/** Three instruments deliver two days each; the newest is rolled up, and the fleet is scanned. */
export const plan: Plan = {
  title: "Fleet telemetry",
  prepare: async (folder, today) => {
    for (const day of daysBefore(today, 2)) {
      for (const instrument of instruments) {
        const path = join(folder, "data/inbox", csvKey("instruments", instrument.id, day))
        await mkdir(dirname(path), { recursive: true })
        await writeFile(path, csvOf(instrument, day))
      }
    }
  },
  runs: () => [
    ...instruments.map(({ id }) => ({ workflow: "fleet-telemetry-daily-rollup", partitionKey: id })),
    { workflow: "fleet-telemetry-alerts" }
  ],
  page: "data/reports/fleet-telemetry/index.html"
}
