import { childOf } from "../FanOut.ts"
import * as RunChildren from "./RunChildren.ts"
import type { Event } from "./RunEvents.ts"
import type { State } from "./RunState.ts"
import { freshStep, isFinished, renewed, type StepState, unbegun, without } from "./RunStep.ts"

/** What becomes of a run's state by what an operator did to it: steps skipped, the run opened again or restored. */

type Of<Tag extends Event["_tag"]> = Extract<Event, { readonly _tag: Tag }>

const stepOf = ({ steps }: State, stepId: string): StepState => RunChildren.find(steps, stepId) ?? freshStep

const put = (state: State, stepId: string, next: StepState): State => ({
  ...state,
  steps: RunChildren.replace(state.steps, stepId, next)
})

/** The step has just finished: a declared one makes the next checkpoint, a fan-out's child is done as of that one. */
export const checkpointed = (state: State, stepId: string): State => {
  const checkpoint = state.checkpoint + 1
  const next = put(state, stepId, { ...stepOf(state, stepId), checkpoint })
  return childOf(stepId) === null ? { ...next, checkpoint } : next
}

const skippedStep = (current: StepState, result: unknown, at: number): StepState => ({
  ...without(current),
  status: "skipped",
  ...(result === undefined ? {} : { result }),
  finishedAt: at
})

export const skipped = (state: State, { at, children: withChildren, forced, result, stepId }: Of<"StepSkipped">) => {
  let next = put(state, stepId, skippedStep(stepOf(state, stepId), result, at))
  // What the run was asked for without is no point to come back to: it stays skipped whatever is restored.
  if (forced === undefined) return put(next, stepId, { ...stepOf(next, stepId), checkpoint: 0 })
  const { children } = stepOf(next, stepId)
  if (withChildren === true && children !== undefined) {
    for (const [childId, child] of RunChildren.entries(children)) {
      if (isFinished(child.status) || child.status === "recording") continue
      next = checkpointed(put(next, childId, skippedStep(child, undefined, at)), childId)
    }
  }
  return checkpointed(next, stepId)
}

/** The run goes on: nothing that was said of its end holds any more, and whoever waits for it is told of the next one. */
const reopened = (state: State): State => {
  const { cancelReason: _c, failure: _f, finishedAt: _t, ...rest } = state
  return { ...rest, ended: null, delivered: [] }
}

export const recovered = (state: State, { fresh, rerun }: Of<"RunRecovered">): State => {
  let next = reopened(state)
  for (const stepId of rerun) {
    const current = stepOf(state, stepId)
    const again = fresh === undefined || fresh.includes(stepId) ? renewed(current) : unbegun(current)
    next = put(next, stepId, again)
  }
  return next
}

export const restored = (state: State, { rerun, superseded }: Of<"RunRestored">): State => {
  let next = reopened(state)
  for (const stepId of rerun) next = put(next, stepId, renewed(stepOf(state, stepId)))
  for (const { stepId } of superseded) {
    const current = stepOf(next, stepId)
    next = put(next, stepId, { ...current, superseded: (current.superseded ?? 0) + 1 })
  }
  return next
}

/** Whatever ends the run ends its pause. */
export const unpaused = (state: State): State => {
  if (state.paused === undefined) return state
  const { paused: _, ...rest } = state
  return rest
}

/** What steps wait for is waited for as much longer as the run was paused: nothing ends because nobody looked. */
export const resumed = (state: State, { at }: Of<"RunResumed">): State => {
  const pausedMs = at - (state.paused?.since ?? at)
  let next = unpaused(state)
  for (const stepId of withDeadline(state)) {
    const current = stepOf(state, stepId)
    next = put(next, stepId, { ...current, deadlineAt: (current.deadlineAt ?? at) + pausedMs })
  }
  return next
}

const withDeadline = ({ steps }: State): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (const [stepId, { children, deadlineAt }] of Object.entries(steps)) {
    if (deadlineAt !== undefined) found.push(stepId)
    for (const childId of children === undefined ? [] : RunChildren.withStatus(children, ["waiting"])) {
      if (RunChildren.find(steps, childId)?.deadlineAt !== undefined) found.push(childId)
    }
  }
  return found
}
