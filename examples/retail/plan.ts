import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { daysBefore } from "../days.ts"
import type { Plan } from "../plan.ts"
import { csvKey } from "./assets.ts"
import { csvOf } from "./generator.ts"

const days = (today: string) => daysBefore(today, 3)

/** Three days of sales are delivered and ingested, and the report is made. */
export const plan: Plan = {
  title: "Retail sales",
  prepare: async (folder, today) => {
    const inbox = join(folder, "data/inbox")
    await mkdir(inbox, { recursive: true })
    for (const day of days(today)) await writeFile(join(inbox, csvKey("retail_sales", day)), csvOf(day))
  },
  runs: (_, today) => [
    ...days(today).map((partitionKey) => ({ workflow: "retail-sales-daily-ingest", partitionKey })),
    { workflow: "retail-sales-insights" }
  ],
  page: "data/reports/retail-sales/index.html"
}
