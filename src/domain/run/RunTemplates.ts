import { childOf, itemContext } from "../FanOut.ts"
import type { State } from "./RunState.ts"

/**
 * What templates of a run's steps may name: the run, its parameters, its trigger, and results of finished steps. Those of
 * a fan-out's child, given by `stepId`, may also name its item.
 */
export const templateContext = (run: State, stepId?: string) => {
  const steps: Record<string, { readonly result: unknown }> = {}
  for (const { id } of run.definition?.steps ?? []) {
    const { result, status } = run.steps[id] ?? {}
    if (status === "succeeded" || status === "skipped") steps[id] = { result: result ?? null }
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
    trigger: run.trigger,
    ...(stepId === undefined ? {} : itemOf(run, stepId))
  }
}

const itemOf = (run: State, stepId: string) => {
  const child = childOf(stepId)
  const parent = child === null ? undefined : run.definition?.steps.find(({ id }) => id === child.parent)
  if (child === null || parent === undefined) return {}
  return itemContext(parent, run.steps[child.parent]?.items?.[child.index], child.index)
}
