import { defineApp } from "kintsugi"
import { jobs, workflows } from "./workflows.ts"

/** Fleet telemetry: what greenhouse instruments measured in a day, rolled up by instrument, and what is to be looked at. */
export default defineApp({
  stores: {
    inbox: { type: "folder", path: "data/inbox" },
    lake: { type: "folder", path: "data/lake" },
    reports: { type: "folder", path: "data/reports" }
  },
  timestore: { store: "lake" },
  jobs,
  workflows
})
