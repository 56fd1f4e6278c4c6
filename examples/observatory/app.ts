import { defineApp } from "kintsugi"
import { jobs, workflows } from "./workflows.ts"

/** The environmental observatory: three instruments, from CSV to timestore, plots, reports and dashboard, by itself. */
export default defineApp({
  stores: {
    inbox: { type: "folder", path: "data/inbox" },
    calibrations: { type: "folder", path: "data/calibrations" },
    lake: { type: "folder", path: "data/lake" },
    reports: { type: "folder", path: "data/reports" }
  },
  timestore: { store: "lake" },
  jobs,
  workflows
})
