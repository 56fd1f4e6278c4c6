import { defineApp } from "kintsugi"
import { jobs, workflows } from "./workflows.ts"

/** Retail sales: a CSV a day from outside, a Parquet file a day in the warehouse, and a report over the last days. */
export default defineApp({
  stores: {
    inbox: { type: "folder", path: "data/inbox" },
    staging: { type: "folder", path: "data/staging" },
    warehouse: { type: "folder", path: "data/warehouse" },
    reports: { type: "folder", path: "data/reports" }
  },
  jobs,
  workflows
})
