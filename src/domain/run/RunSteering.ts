import { Result } from "effect"
import { childOf } from "../FanOut.ts"
import * as RunChildren from "./RunChildren.ts"
import {
  type Command,
  IllegalTransition,
  NotOptional,
  type Rejection,
  UnknownCheckpoint,
  UnknownStep
} from "./RunCommands.ts"
import type { Event } from "./RunEvents.ts"
import { allSteps, evolve, hasStep, type State, step, stepDefinition, stepsIn } from "./RunState.ts"
import { isFinished } from "./RunStep.ts"
import { publicStepStatus, statusOf } from "./RunView.ts"

/** What operators ask of a run: each command answers its own events; what follows from the new state is `RunDecide`'s. */
export type Steering = Extract<
  Command,
  { readonly _tag: "RetryStep" | "SkipStep" | "Recover" | "Restore" | "Pause" | "Resume" }
>

type Decision = Result.Result<ReadonlyArray<Event>, Rejection>

const tags: ReadonlySet<string> = new Set([
  "RetryStep",
  "SkipStep",
  "Recover",
  "Restore",
  "Pause",
  "Resume"
] satisfies ReadonlyArray<Steering["_tag"]>)
export const isSteering = (command: Command): command is Steering => tags.has(command._tag)

export const decide = (command: Steering, state: State): Decision => {
  if ("stepId" in command && !hasStep(state, command.stepId)) {
    return Result.fail(new UnknownStep({ runId: state.runId, stepId: command.stepId }))
  }
  switch (command._tag) {
    case "Recover":
      if (state.ended !== "failed") {
        return Result.fail(new IllegalTransition({ command: "recover", status: statusOf(state) }))
      }
      return Result.succeed([reopened(state, command.now)])
    case "RetryStep":
      return retry(state, command)
    case "SkipStep":
      return skip(state, command)
    case "Restore":
      return restore(state, command)
    case "Pause":
    case "Resume":
      return hold(state, command)
  }
}

const reopened = (state: State, now: number, fresh?: ReadonlyArray<string>): Event => {
  const kept = stepsIn(state, "succeeded", "skipped")
  const rerun = [...allSteps(state)].flatMap(([id, { status }]) => (isFinished(status) ? [] : [id]))
  return { _tag: "RunRecovered", kept, rerun, ...(fresh === undefined ? {} : { fresh }), at: now }
}

/** The step's own status says why not; of a failed step whose run has yet to end with it, the run's. */
const illegal = (command: string, state: State, stepId: string): Decision => {
  const current = step(state, stepId)
  const status = state.ended === null && current.status === "failed" ? statusOf(state) : publicStepStatus(current)
  return Result.fail(new IllegalTransition({ command, status }))
}

/** A fan-out goes on with its child; the children that have not finished go on with their fan-out. */
const family = (state: State, stepId: string): ReadonlyArray<string> => {
  const child = childOf(stepId)
  if (child !== null) return [child.parent, stepId]
  const { children } = step(state, stepId)
  if (children === undefined) return [stepId]
  const unfinished = [...RunChildren.entries(children)].flatMap(([id, { status }]) => (isFinished(status) ? [] : [id]))
  return [stepId, ...unfinished]
}

const retry = (state: State, { now, stepId }: Steering & { readonly _tag: "RetryStep" }): Decision => {
  const { status } = step(state, stepId)
  if (state.ended === null && status === "retrying") {
    return Result.succeed([{ _tag: "StepResumed", stepId, reason: "retried", fresh: true, at: now }])
  }
  if (state.ended !== "failed" || status !== "failed") return illegal("retry", state, stepId)
  return Result.succeed([reopened(state, now, family(state, stepId))])
}

const skip = (state: State, command: Steering & { readonly _tag: "SkipStep" }): Decision => {
  const { force, now, reason, result, stepId } = command
  const { children, status } = step(state, stepId)
  const open =
    state.ended === null
      ? !isFinished(status) && status !== "failed" && status !== "recording"
      : state.ended === "failed" && (status === "failed" || status === "pending")
  if (!open) return illegal("skip", state, stepId)
  if (!force && stepDefinition(state, stepId)?.optional !== true) return Result.fail(new NotOptional({ stepId }))
  const skipped: Event = {
    ...{ _tag: "StepSkipped", stepId, reason },
    ...(result === undefined ? {} : { result }),
    ...(children === undefined ? {} : { children: true }),
    ...{ forced: force, at: now }
  }
  const next = evolve(state, skipped)
  // As long as another step has failed the run stays as it is: nobody has said what should become of that one.
  if (state.ended === null || isHeldUp(next, stepId)) return Result.succeed([skipped])
  const parent = childOf(stepId)?.parent
  return Result.succeed([skipped, reopened(next, now, parent === undefined ? [] : [parent])])
}

/** Whether a step has failed, but for the fan-out that did so because of this child alone. */
const isHeldUp = (state: State, skippedId: string): boolean => {
  const parent = childOf(skippedId)?.parent
  return stepsIn(state, "failed").some((stepId) => {
    const { children } = step(state, stepId)
    return stepId !== parent || children === undefined || RunChildren.count(children, "failed") > 0
  })
}

/** Kept is what had finished by the checkpoint; whatever else there is, or is under way, is done again. */
const restore = (state: State, { checkpoint, now }: Steering & { readonly _tag: "Restore" }): Decision => {
  if (!checkpoints(state).has(checkpoint)) {
    return Result.fail(new UnknownCheckpoint({ runId: state.runId, checkpoint }))
  }
  const kept: Array<string> = []
  const rerun: Array<string> = []
  const superseded: Array<{ readonly stepId: string; readonly attempt: number }> = []
  for (const [stepId, current] of allSteps(state)) {
    const { attempt, children, status } = current
    if (isFinished(status) && (current.checkpoint ?? 0) <= checkpoint) {
      kept.push(stepId)
      continue
    }
    rerun.push(stepId)
    // What is being recorded may be in its Assets already. A fan-out itself executes nothing.
    const hasEffects = status === "succeeded" || status === "recording"
    if (hasEffects && children === undefined) superseded.push({ stepId, attempt })
  }
  return Result.succeed([{ _tag: "RunRestored", checkpoint, kept, rerun, superseded, at: now }])
}

/** Told again it changes nothing. */
const hold = (state: State, command: Steering & { readonly _tag: "Pause" | "Resume" }): Decision => {
  const name = command._tag === "Pause" ? "pause" : "resume"
  if (state.ended !== null) return Result.fail(new IllegalTransition({ command: name, status: statusOf(state) }))
  const isPaused = state.paused !== undefined
  if (isPaused === (command._tag === "Pause")) return Result.succeed([])
  return Result.succeed([
    command._tag === "Pause"
      ? { _tag: "RunPaused", reason: command.reason, at: command.now }
      : { _tag: "RunResumed", at: command.now }
  ])
}

/** The points to which the run can be restored now, and the step that made each. */
export const checkpoints = (state: State): ReadonlyMap<number, string> => {
  const found = new Map<number, string>()
  for (const [stepId, { checkpoint = 0, status }] of Object.entries(state.steps)) {
    if (checkpoint > 0 && isFinished(status)) found.set(checkpoint, stepId)
  }
  return found
}
