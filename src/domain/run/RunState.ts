import type { Definition, StepDefinition } from "../Definition.ts"
import type { Failure } from "../Failure.ts"
import { childDefinition, concurrencyDefault, declaredId } from "../FanOut.ts"
import type { Trigger } from "../Trigger.ts"
import * as RunChildren from "./RunChildren.ts"
import * as RunOverwriting from "./RunOverwriting.ts"
import type { Event, Listener, WaitingFor } from "./RunEvents.ts"
import { freshStep, isFinished, renewed, type StepState, type StepStatus, unbegun, without } from "./RunStep.ts"
import * as RunSteered from "./RunSteered.ts"

export interface State {
  readonly runId: string
  readonly workflow: string
  readonly version: number
  /** null until the run is requested. */
  readonly definition: Definition | null
  readonly parameters: Readonly<Record<string, unknown>>
  readonly partitionKey: string | undefined
  readonly runKey: string | undefined
  readonly trigger: Trigger
  readonly priority: number
  /** Declared steps; a fan-out has its children with it (`step`, `allSteps`). */
  readonly steps: Readonly<Record<string, StepState>>
  readonly ended: "succeeded" | "failed" | "canceled" | null
  readonly cancelReason?: string
  /** The failure of the first step that failed: the run's own (F50, T12). */
  readonly failure?: Failure & { readonly stepId: string }
  /** Heals of lost generations that this run has caused; no success resets it (T34). */
  readonly heals: number
  readonly healedBy: ReadonlyArray<string>
  readonly delivered: ReadonlyArray<Listener>
  readonly overwriting: RunOverwriting.Overwriting
  /** An operator has paused the run; its end ends that too. */
  readonly paused?: { readonly since: number; readonly reason: string }
  /** The newest checkpoint: how many declared steps have finished, whatever was done again. */
  readonly checkpoint: number
  readonly createdAt: number
  readonly startedAt?: number
  readonly finishedAt?: number
}

export const initial: State = {
  runId: "",
  workflow: "",
  version: 0,
  definition: null,
  parameters: {},
  partitionKey: undefined,
  runKey: undefined,
  trigger: { type: "manual" },
  priority: 100,
  steps: {},
  ended: null,
  heals: 0,
  healedBy: [],
  delivered: [],
  overwriting: {},
  checkpoint: 0,
  createdAt: 0
}

export const step = (state: State, stepId: string): StepState => RunChildren.find(state.steps, stepId) ?? freshStep

/** Whether the run has this step, or this child of a fan-out that has been expanded. */
export const hasStep = (state: State, stepId: string): boolean => RunChildren.find(state.steps, stepId) !== undefined

/** Every step with its id: the declared ones, then the children of each fan-out. */
export function* allSteps({ steps }: State): Generator<readonly [stepId: string, step: StepState]> {
  for (const stepId in steps) yield [stepId, steps[stepId]!]
  for (const stepId in steps) {
    const { children } = steps[stepId]!
    if (children !== undefined) yield* RunChildren.entries(children)
  }
}

/** What a step is; of a fan-out's child, what its fan-out says of it. */
export const stepDefinition = (state: State, stepId: string): StepDefinition | undefined => {
  const declared = declaredId(stepId)
  const found = state.definition?.steps.find((candidate) => candidate.id === declared)
  return found === undefined || declared === stepId ? found : childDefinition(found, stepId)
}

const isUnblocked = (state: State, { dependsOn }: StepDefinition): boolean =>
  dependsOn.every((dependency) => isFinished(step(state, dependency).status))

/** Declared steps that are pending while all that they depend on has finished. */
export const unblockedSteps = (state: State): ReadonlyArray<StepDefinition> =>
  (state.definition?.steps ?? []).filter(
    (definition) => step(state, definition.id).status === "pending" && isUnblocked(state, definition)
  )

/** How many steps of one run begin, execute or report beside each other: children of fan-outs beyond it come later. */
const inFlightMax = 1_000

/**
 * Steps that may begin: pending, all that they depend on finished, and no step of the run has failed for good. Of a
 * fan-out, the first of its pending children, as many as its `concurrency` has room for. At most `inFlightMax`.
 */
export const readySteps = (state: State): ReadonlyArray<StepDefinition> => {
  if (state.ended !== null || state.paused !== undefined || state.definition === null || hasFailed(state)) return []
  const ready = unblockedSteps(state).filter(({ type }) => type !== "fanOut")
  for (const parent of state.definition.steps) {
    if (parent.type !== "fanOut" || !isUnblocked(state, parent)) continue
    const { children } = step(state, parent.id)
    if (children === undefined) continue
    const room = (parent.concurrency ?? concurrencyDefault) - RunChildren.count(children, ...inFlight)
    for (const child of RunChildren.withStatus(children, ["pending"], Math.max(0, room))) {
      ready.push(childDefinition(parent, child))
    }
  }
  if (ready.length < inFlightMax / 2) return ready
  return ready.slice(0, Math.max(0, inFlightMax - stepsIn(state, ...inFlight).length))
}

/** A step that waits is not: it occupies nothing, and others go on meanwhile. */
const inFlight: ReadonlyArray<StepStatus> = ["executing", "recording", "locating", "retrying"]

export const hasFailed = (state: State): boolean => {
  for (const stepId in state.steps) {
    const { children, status } = state.steps[stepId]!
    if (status === "failed" || (children !== undefined && RunChildren.count(children, "failed") > 0)) return true
  }
  return false
}

export const stepsIn = (state: State, ...statuses: ReadonlyArray<StepStatus>): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (const stepId in state.steps) {
    const { children, status } = state.steps[stepId]!
    if (statuses.includes(status)) found.push(stepId)
    if (children !== undefined) for (const child of RunChildren.withStatus(children, statuses)) found.push(child)
  }
  return found
}

export const isComplete = (state: State): boolean => {
  for (const stepId in state.steps) {
    const { children, status } = state.steps[stepId]!
    if (!isFinished(status)) return false
    if (children !== undefined && RunChildren.count(children, "succeeded", "skipped") < children.ids.length)
      return false
  }
  return state.definition !== null
}

const setStep = (state: State, stepId: string, change: Partial<StepState>): State =>
  replaceStep(state, stepId, { ...step(state, stepId), ...change })

/** The reason of a `StepResumed` that uses up what `settled` says: the next wait for the same Recovery is a wait. */
export const lookAgain = "settled"

/** Whether waiting for this costs one of the run's heals. A first production is none: nothing was lost. */
export const causesHeal = (state: State, stepId: string, { recoveryId, type }: WaitingFor): boolean =>
  type === "recovery" &&
  recoveryId !== undefined &&
  (!state.healedBy.includes(recoveryId) || step(state, stepId).waited?.includes(recoveryId) === true)

const nothingLeft = (state: State, stepId: string): State => ({
  ...state,
  overwriting: RunOverwriting.settle(state.overwriting, stepId)
})

const withOne = (ids: ReadonlyArray<string> | undefined, id: string): ReadonlyArray<string> =>
  ids === undefined ? [id] : ids.includes(id) ? ids : [...ids, id]

const replaceStep = (state: State, stepId: string, next: StepState): State => ({
  ...state,
  steps: RunChildren.replace(state.steps, stepId, next)
})

export const evolve = (state: State, event: Event): State => {
  switch (event._tag) {
    case "RunRequested": {
      const steps: Record<string, StepState> = {}
      for (const { id } of event.definition.steps) steps[id] = freshStep
      return {
        ...state,
        runId: event.runId,
        workflow: event.workflow,
        version: event.version,
        definition: event.definition,
        parameters: event.parameters,
        partitionKey: event.partitionKey,
        runKey: event.runKey,
        trigger: event.trigger,
        priority: event.priority ?? 100,
        steps,
        createdAt: event.at
      }
    }
    case "StepStarted":
      return {
        ...replaceStep(state, event.stepId, {
          ...unbegun(step(state, event.stepId)),
          status: "executing",
          attempt: event.attempt,
          inputs: event.inputs ?? [],
          startedAt: event.at
        }),
        startedAt: state.startedAt ?? event.at
      }
    case "StepExpanded": {
      const { at, attempt, items, only, stepId } = event
      return replaceStep(state, stepId, {
        ...unbegun(step(state, stepId)),
        status: "expanded",
        attempt,
        items: Object.fromEntries(items.map((item, position) => [only?.[position] ?? position, item])),
        // Of a run that was recovered, the children are there and keep what they have.
        children: RunChildren.make(stepId, items.length, only, (child) => step(state, child)),
        startedAt: at
      })
    }
    case "StepSucceeded": {
      const produced = event.produced ?? []
      const unchanged = produced.length === 0 ? nothingLeft(state, event.stepId) : state
      const succeeded = replaceStep(unchanged, event.stepId, {
        ...without(step(state, event.stepId)),
        status: produced.length === 0 ? "succeeded" : "recording",
        crashes: 0,
        result: event.result,
        produced,
        reads: event.reads ?? [],
        finishedAt: event.at
      })
      return produced.length === 0 ? RunSteered.checkpointed(succeeded, event.stepId) : succeeded
    }
    case "StepOverwriting":
      return { ...state, overwriting: RunOverwriting.note(state.overwriting, event.stepId, event.objects) }
    case "StepLeftOversMoved":
      return nothingLeft(state, event.stepId)
    case "StepOutputsRecorded": {
      const { generations, stepId } = event
      const recorded = setStep(nothingLeft(state, stepId), stepId, { status: "succeeded", generations })
      return RunSteered.checkpointed(recorded, stepId)
    }
    case "StepFailed": {
      const failed = replaceStep(state, event.stepId, {
        ...without(step(state, event.stepId)),
        status: event.final ? "failed" : "locating",
        crashes: 0,
        failure: event.failure,
        finishedAt: event.at
      })
      return event.final && state.failure === undefined
        ? { ...failed, failure: { ...event.failure, stepId: event.stepId } }
        : failed
    }
    case "StepRetryScheduled":
      return setStep(state, event.stepId, { status: "retrying", retries: event.retry, dueAt: event.dueAt })
    case "StepSuspended": {
      const { recoveryId } = event.waitingFor
      const current = step(state, event.stepId)
      const { deadlineAt: _, ...rest } = current
      const suspended = replaceStep(state, event.stepId, {
        ...rest,
        status: "waiting",
        waitingFor: { ...event.waitingFor, since: event.at },
        ...(event.deadlineAt === undefined ? {} : { deadlineAt: event.deadlineAt }),
        ...(recoveryId === undefined ? {} : { waited: withOne(current.waited, recoveryId) })
      })
      if (recoveryId === undefined || !causesHeal(state, event.stepId, event.waitingFor)) return suspended
      return { ...suspended, heals: state.heals + 1, healedBy: withOne(state.healedBy, recoveryId) }
    }
    case "StepResumed": {
      const { fresh, reason, recoveryId, stepId } = event
      const current = step(state, stepId)
      const earlier = (current.settled ?? []).filter((settled) => settled !== recoveryId)
      const settled = recoveryId === undefined || reason === lookAgain ? earlier : [...earlier, recoveryId]
      return replaceStep(state, stepId, {
        ...(fresh === true ? renewed(current) : unbegun(current)),
        ...(settled.length === 0 ? {} : { settled })
      })
    }
    case "StepSkipped":
      return RunSteered.skipped(state, event)
    case "RunSucceeded":
      return { ...RunSteered.unpaused(state), ended: "succeeded", finishedAt: event.at }
    case "RunFailed": {
      let failed: State = {
        ...RunSteered.unpaused(state),
        ended: "failed",
        finishedAt: event.at,
        failure: { ...event.failure, stepId: event.stepId }
      }
      for (const stepId of stepsIn(state, "expanded", "locating", "waiting", "retrying")) {
        failed = replaceStep(failed, stepId, unbegun(step(state, stepId)))
      }
      return failed
    }
    case "RunCanceled": {
      let canceled: State = {
        ...RunSteered.unpaused(state),
        ended: "canceled",
        cancelReason: event.reason,
        finishedAt: event.at
      }
      for (const stepId of stepsIn(state, "pending", "expanded", "executing", "locating", "waiting", "retrying")) {
        canceled = replaceStep(canceled, stepId, {
          ...without(step(state, stepId)),
          status: "canceled",
          finishedAt: event.at
        })
      }
      return canceled
    }
    case "RunInterrupted": {
      let interrupted = state
      for (const { stepId } of event.steps) {
        const current = step(interrupted, stepId)
        interrupted = replaceStep(interrupted, stepId, {
          ...unbegun(current),
          crashes: event.reason === "crash" ? current.crashes + 1 : current.crashes
        })
      }
      return interrupted
    }
    case "RunRecovered":
      return RunSteered.recovered(state, event)
    case "RunRestored":
      return RunSteered.restored(state, event)
    case "RunPaused":
      return { ...state, paused: { since: event.at, reason: event.reason } }
    case "RunResumed":
      return RunSteered.resumed(state, event)
    case "RunAttentionRaised":
      return setStep(state, event.stepId, { attentionRaised: true })
    case "RunOutcomeDelivered":
      return { ...state, delivered: [...state.delivered, event.to] }
  }
}
