import { defineApp, type WorkflowDefinition } from "kintsugi"
import app from "./app.ts"

/** How long ingest and publication stand after their first read, in ms: time to take a file away from under them. */
const stepDelayMs = 1_000

/**
 * The workflow without a clock: no schedule starts it and nothing that it makes expires, so that whatever happens was
 * caused by a hand or by an update, and can be counted. Updates work as ever.
 */
const withoutClock = ({ schedule: _, ...workflow }: WorkflowDefinition): WorkflowDefinition => ({
  ...workflow,
  ...(workflow.defaultParameters?.stepDelayMs === undefined
    ? {}
    : { defaultParameters: { ...workflow.defaultParameters, stepDelayMs } }),
  steps: workflow.steps.map(({ produces = [], ...step }) => ({
    ...step,
    produces: produces.map(({ freshness: _freshness, ...asset }) => asset)
  }))
})

/** The observatory as the demo plays it. */
export default defineApp({ ...app, workflows: (app.workflows ?? []).map(withoutClock) })
