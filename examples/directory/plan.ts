import { join } from "node:path"
import type { Plan } from "../plan.ts"
import { makeFiles } from "./generator.ts"

const scanned = (folder: string): string => join(folder, "scanned")

/** A made-up folder is scanned and reported on, and the report is packed. */
export const plan: Plan = {
  title: "Directory insights",
  prepare: (folder) => makeFiles(scanned(folder)),
  runs: (folder) => [
    { workflow: "directory-insights-report", parameters: { scanDir: scanned(folder) } },
    { workflow: "directory-insights-archive" }
  ],
  page: "data/reports/insights/index.html"
}
