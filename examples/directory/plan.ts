import { join } from "node:path"
import type { Plan } from "../plan.ts"
import { makeFiles } from "./generator.ts"

const scanned = (folder: string): string => join(folder, "scanned")

/** A made-up folder is scanned and reported on; the archive of the report follows by itself. */
export const plan: Plan = {
  title: "Directory insights",
  prepare: (folder) => makeFiles(scanned(folder)),
  stages: (folder) => [
    {
      starts: [{ workflow: "directory-insights-report", parameters: { scanDir: scanned(folder) } }],
      follows: [{ workflow: "directory-insights-archive", reason: "upstream-update", of: "directory-insights-report" }]
    }
  ],
  page: () => "data/reports/insights/index.html"
}
