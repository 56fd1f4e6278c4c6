import type { WorkflowDefinition } from "kintsugi"

/**
 * The workflow without what the engine does not act on yet: freshness, automatic materialization and partitions by time
 * window or on demand. Steps, inputs and outputs stay as they are, and runs are started by hand.
 */
export const untilAutomatic = (workflow: WorkflowDefinition): WorkflowDefinition => ({
  ...workflow,
  steps: workflow.steps.map(({ produces = [], ...step }) => ({
    ...step,
    produces: produces.map(({ autoMaterialize: _a, freshness: _f, partitioning, ...asset }) =>
      partitioning?.type === "static" ? { ...asset, partitioning } : asset
    )
  }))
})
