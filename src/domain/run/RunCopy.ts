import { Result } from "effect"
import * as Id from "../Id.ts"
import type { UsedInput } from "../Production.ts"
import { type Start, UnknownStep } from "./RunCommands.ts"
import { allSteps, type State } from "./RunState.ts"
import { isFinished } from "./RunStep.ts"

/** What a new run takes over from another one. */
export type Copied = Pick<
  Start,
  "workflow" | "version" | "parameters" | "partitionKey" | "priority" | "trigger" | "only" | "results" | "items"
>

const base = ({ parameters, partitionKey, priority, version, workflow }: State) => ({
  ...{ workflow, version, parameters, priority },
  ...(partitionKey === undefined ? {} : { partitionKey })
})

/** The same again: version, parameters, partition, and the steps that the run was asked for. */
export const replay = (state: State): Copied => {
  const trigger = { type: "manual" as const, replayOf: state.runId }
  const without = Object.values(state.steps).some(isLeftOut)
  if (!without) return { ...base(state), trigger }
  const only: Array<string> = []
  const items: Record<string, unknown> = {}
  const results: Record<string, unknown> = {}
  for (const [stepId, current] of Object.entries(state.steps)) {
    if (!isLeftOut(current)) {
      only.push(stepId)
      continue
    }
    if (current.result !== undefined) results[stepId] = current.result
    // Of a fan-out that was left out, children may have been asked for.
    for (const [position, childId] of (current.children?.ids ?? []).entries()) {
      only.push(childId)
      items[childId] = current.items?.[current.children?.places?.[position] ?? position]
    }
  }
  return { ...base(state), trigger, only, results, items }
}

const isLeftOut = ({ checkpoint, status }: State["steps"][string]): boolean => status === "skipped" && checkpoint === 0

/** `fromStep` and what depends on it, and whatever has no result to keep; all other steps keep theirs. */
export const fork = (state: State, fromStep: string): Result.Result<Copied, UnknownStep> => {
  if (!Object.hasOwn(state.steps, fromStep)) {
    return Result.fail(new UnknownStep({ runId: state.runId, stepId: fromStep }))
  }
  const executes = new Set([fromStep])
  for (const [stepId, { status }] of Object.entries(state.steps)) if (!isFinished(status)) executes.add(stepId)
  const steps = state.definition?.steps ?? []
  // Definitions have no cycles, so it ends after as many rounds as the longest path has steps.
  for (let before = -1; before !== executes.size; ) {
    before = executes.size
    for (const { dependsOn, id } of steps)
      if (dependsOn.some((dependency) => executes.has(dependency))) executes.add(id)
  }
  const results: Record<string, unknown> = {}
  for (const [stepId, { result }] of Object.entries(state.steps)) {
    if (!executes.has(stepId) && result !== undefined) results[stepId] = result
  }
  const trigger = { type: "manual" as const, forkOf: state.runId, fromStep }
  return Result.succeed({ ...base(state), trigger, only: [...executes], results })
}

/** What the run used and did not make itself, each asset partition and generation once. */
export const outsideInputs = (state: State): ReadonlyArray<UsedInput> => {
  const made = new Set<string>()
  for (const [, { produced }] of allSteps(state)) {
    for (const { assetId, partitionKey } of produced) made.add(Id.asset(assetId, partitionKey))
  }
  const found = new Map<string, UsedInput>()
  for (const [, { inputs }] of allSteps(state)) {
    for (const input of inputs) {
      const id = Id.asset(input.assetId, input.partitionKey)
      if (!made.has(id)) found.set(`${id}/${input.generation}`, input)
    }
  }
  return [...found.values()]
}
