import type { State } from "../domain/run/RunState.ts"

/** What templates of a run's steps may name: the run, its parameters, its trigger, and results of finished steps. */
export const templateContext = (run: State) => {
  const steps: Record<string, { readonly result: unknown }> = {}
  for (const [stepId, { result, status }] of Object.entries(run.steps)) {
    if (status === "succeeded" || status === "skipped") steps[stepId] = { result: result ?? null }
  }
  return {
    run: {
      id: run.runId,
      workflow: run.workflow,
      ...(run.partitionKey === undefined ? {} : { partitionKey: run.partitionKey }),
      ...(run.runKey === undefined ? {} : { runKey: run.runKey }),
      parameters: run.parameters
    },
    parameters: run.parameters,
    steps,
    trigger: run.trigger
  }
}
