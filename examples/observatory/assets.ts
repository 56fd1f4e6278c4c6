/** Everything that the observatory makes. What is not declared as an asset could not be healed. */
export const assetIds = {
  inboxCsv: "observatory.inbox.csv",
  normalized: "observatory.inbox.normalized",
  timestore: "observatory.timeseries.timestore",
  burstWindow: "observatory.burst.window",
  visualizations: "observatory.visualizations.minute",
  reports: "observatory.reports.status",
  dashboard: "observatory.dashboard.snapshot",
  calibration: "observatory.calibration.instrument"
} as const

/** The timestore's data set: one partition an instrument and minute. */
export const dataset = "observatory_readings"
