/**
 * The provenance of a production that was announced from outside: no run of ours made it, so the log has empty text in
 * the place of workflow, step and run, and `source` says who announced it. Whoever reads a maker asks `source` first.
 */
export const provenance = {
  workflow: "",
  version: 0,
  stepId: "",
  runId: "",
  attempt: 0,
  parameters: {},
  inputs: [],
  reads: []
} as const

/** What makes a repeated announcement the same one: who announces, and the id that they gave it. */
export const productionKey = (source: string, id: string): string => `external/${source}/${id}`
