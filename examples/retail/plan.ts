import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { daysBefore } from "../days.ts"
import type { Plan } from "../plan.ts"
import { csvKey } from "./assets.ts"
import { csvOf } from "./generator.ts"

const days = (now: string) => daysBefore(now.slice(0, "2026-01-31".length), 3)

/** Three days of sales are delivered and ingested; the report follows by itself. */
export const plan: Plan = {
  title: "Retail sales",
  prepare: async (folder, now) => {
    const inbox = join(folder, "data/inbox")
    await mkdir(inbox, { recursive: true })
    for (const day of days(now)) await writeFile(join(inbox, csvKey("retail_sales", day)), csvOf(day))
  },
  stages: (_, now) => [
    {
      starts: days(now).map((partitionKey) => ({ workflow: "retail-sales-daily-ingest", partitionKey })),
      follows: [{ workflow: "retail-sales-insights", reason: "upstream-update", of: "retail-sales-daily-ingest" }]
    }
  ],
  page: () => "data/reports/retail-sales/index.html"
}
