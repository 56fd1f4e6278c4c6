import { defineApp } from "kintsugi"
import { jobs, workflows } from "./workflows.ts"

/** Directory insights: a scan of a folder, a report on it, and an archive of the report. */
export default defineApp({
  stores: {
    reports: { type: "folder", path: "data/reports" },
    archives: { type: "folder", path: "data/archives" },
    lake: { type: "folder", path: "data/lake" }
  },
  timestore: { store: "lake" },
  jobs,
  workflows
})
