import { Result } from "effect"
import type { Decider } from "../Decider.ts"
import type { StepDefinition } from "../Definition.ts"
import { childOf } from "../FanOut.ts"
import { assetName, type Failure } from "../Failure.ts"
import { delayMs } from "../RetrySchedule.ts"
import { type Command, IllegalTransition, type Rejection, UnknownRun, type Verdict } from "./RunCommands.ts"
import type { Event } from "./RunEvents.ts"
import * as RunFanOut from "./RunFanOut.ts"
import * as RunOverwriting from "./RunOverwriting.ts"
import {
  causesHeal,
  evolve,
  hasFailed,
  hasStep,
  initial,
  isComplete,
  lookAgain,
  readySteps,
  type State,
  step,
  stepDefinition,
  stepsIn
} from "./RunState.ts"
import type { StepState } from "./RunStep.ts"
import * as RunSteering from "./RunSteering.ts"
import { statusOf } from "./RunView.ts"

/** How long a step waits for a store before a human should look. */
export const storeAttentionMs = 15 * 60_000

/** A step that needs neither its inputs ensured nor a slot of a workflow-wide limit may begin in the same decision. */
const beginsDirectly = (state: State, definition: StepDefinition): boolean =>
  definition.consumes.length === 0 && state.definition?.concurrency === undefined

/** What follows from the state alone, whatever led to it: a step begins, the run succeeds, the run fails. */
const followUps = (state: State, now: number, slot: boolean): ReadonlyArray<Event> => {
  if (state.definition === null || state.ended !== null) return []
  if (isComplete(state)) return [{ _tag: "RunSucceeded", at: now }]
  if (hasFailed(state)) {
    if (stepsIn(state, "executing", "recording").length > 0 || state.failure === undefined) return []
    const { stepId, ...failure } = state.failure
    return [{ _tag: "RunFailed", stepId, failure, at: now }]
  }
  if (!slot) return []
  const next = readySteps(state).find((definition) => beginsDirectly(state, definition))
  if (next === undefined) return []
  return [{ _tag: "StepStarted", stepId: next.id, attempt: step(state, next.id).attempt + 1, at: now }]
}

const fail = (stepId: string, { attempt }: StepState, failure: Failure, at: number): Event => ({
  _tag: "StepFailed",
  stepId,
  attempt,
  failure,
  final: true,
  at
})

/** An execution ended as transient: the next retry, or, with the budget used up, nothing (the failure is final). */
const retry = (
  state: State,
  stepId: string,
  failure: Failure,
  random: number,
  now: number,
  leastMs = 0
): Event | null => {
  const policy = stepDefinition(state, stepId)?.retryPolicy
  const { attempt, retries } = step(state, stepId)
  const ended = retries + 1
  if (policy === undefined || policy.strategy === "none" || ended >= policy.maxAttempts) return null
  const delay = Math.max(leastMs, delayMs(policy, ended, random))
  return {
    _tag: "StepRetryScheduled",
    stepId,
    attempt,
    retry: ended,
    delayMs: delay,
    dueAt: now + delay,
    reason: `${failure.class}: ${failure.message}`.slice(0, 500),
    at: now
  }
}

const suspend = (state: State, stepId: string, waitingFor: (Verdict & { type: "wait" })["waitingFor"], now: number) => {
  const current = step(state, stepId)
  const settings = stepDefinition(state, stepId)?.recovery
  if (settings !== undefined && state.heals >= settings.ceilingPerRun && causesHeal(state, stepId, waitingFor)) {
    const asset = { assetId: waitingFor.assetId ?? "", partitionKey: waitingFor.partitionKey ?? "" }
    return fail(
      stepId,
      current,
      {
        class: "asset_missing",
        code: "ceiling_reached",
        message: `step ${stepId} needs ${assetName(asset)}, but this run has already caused ${state.heals} heals (ceilingPerRun is ${settings.ceilingPerRun})`,
        asset
      },
      now
    )
  }
  const suspended: Event = {
    _tag: "StepSuspended",
    stepId,
    attempt: current.attempt,
    waitingFor,
    ...(waitingFor.type === "store" || settings === undefined ? {} : { deadlineAt: now + settings.deadlineMs }),
    at: now
  }
  return suspended
}

const endStep = (state: State, command: Command & { _tag: "EndStep" }): ReadonlyArray<Event> => {
  const { attempt, now, outcome, stepId } = command
  const current = step(state, stepId)
  // A result of an attempt that is no longer the current one (canceled, cut off, superseded) changes nothing.
  if (current.status !== "executing" || current.attempt !== attempt) return []
  if (outcome.ok) {
    return [
      {
        _tag: "StepSucceeded",
        stepId,
        attempt,
        ...(outcome.result === undefined ? {} : { result: outcome.result }),
        ...(outcome.produced.length === 0 ? {} : { produced: outcome.produced }),
        ...(outcome.reads.length === 0 ? {} : { reads: outcome.reads }),
        ...(outcome.unowned.length === 0 ? {} : { unowned: outcome.unowned }),
        at: now
      }
    ]
  }
  const { failure, heal, random } = outcome
  const failed = (final: boolean): Event => ({ _tag: "StepFailed", stepId, attempt, failure, final, at: now })
  if (failure.class === "permanent") return [failed(true)]
  // A store without a name could never be released: such a failure is tried again like any other.
  if (heal && failure.class === "store_unavailable" && failure.store !== undefined) {
    const waitingFor = { type: "store" as const, store: failure.store }
    return [failed(false), suspend(state, stepId, waitingFor, now)]
  }
  if (heal && (failure.class === "asset_missing" || failure.class === "corrupt")) return [failed(false)]
  const scheduled = retry(state, stepId, failure, random, now, outcome.retryAfterMs)
  return scheduled === null ? [failed(true)] : [failed(false), scheduled]
}

const applyVerdict = (state: State, stepId: string, verdict: Verdict, now: number): ReadonlyArray<Event> => {
  const current = step(state, stepId)
  switch (verdict.type) {
    case "wait": {
      const { recoveryId } = verdict.waitingFor
      // The Recovery ended between its answer and this record: look again, once, instead of waiting for ever (T35).
      if (recoveryId !== undefined && current.settled?.includes(recoveryId)) {
        return [{ _tag: "StepResumed", stepId, reason: lookAgain, recoveryId, at: now }]
      }
      return [suspend(state, stepId, verdict.waitingFor, now)]
    }
    case "fail":
      return [fail(stepId, current, verdict.failure, now)]
    case "again":
      return current.status === "locating" ? [{ _tag: "StepResumed", stepId, reason: "present", at: now }] : []
    case "retry": {
      if (current.status !== "locating" || current.failure === undefined) return []
      const scheduled = retry(state, stepId, current.failure, verdict.random, now)
      return [scheduled ?? fail(stepId, current, current.failure, now)]
    }
  }
}

const settleRecovery = (state: State, command: Command & { _tag: "SettleRecovery" }): ReadonlyArray<Event> => {
  const { failure, now, recoveryId, stepId } = command
  const current = step(state, stepId)
  const waits = current.status === "waiting" && current.waitingFor?.recoveryId === recoveryId
  // It may have joined the Recovery and be about to say that it waits; a retry looks at its inputs only when it is due.
  const willWait =
    current.status === "locating" ||
    current.status === "pending" ||
    (current.status === "retrying" && (current.dueAt ?? 0) <= now)
  if (!waits && (!willWait || current.settled?.includes(recoveryId))) return []
  if (failure === undefined) return [{ _tag: "StepResumed", stepId, reason: "recovered", recoveryId, at: now }]
  // It does not wait yet, and perhaps not for this: it looks again and is told of the failure when it asks (F28).
  if (!waits) return [{ _tag: "StepResumed", stepId, reason: "recovery failed", recoveryId, at: now }]
  // Each waiter says in its own words what it waited for (T33).
  const message = `step ${stepId} waited for an asset that could not be recovered: ${failure.message}`
  return [fail(stepId, current, { ...failure, message }, now)]
}

const tick = (state: State, now: number): ReadonlyArray<Event> => {
  const events: Array<Event> = []
  for (const stepId of stepsIn(state, "waiting")) {
    const current = step(state, stepId)
    const { waitingFor } = current
    if (waitingFor === undefined) continue
    if (current.deadlineAt !== undefined && current.deadlineAt <= now) {
      const asset = { assetId: waitingFor.assetId ?? "", partitionKey: waitingFor.partitionKey ?? "" }
      const waitedMs = now - waitingFor.since
      events.push(
        fail(
          stepId,
          current,
          {
            class: "asset_missing",
            code: "deadline_exceeded",
            message: `step ${stepId} waited ${waitedMs} ms for ${assetName(asset)} (recovery ${waitingFor.recoveryId ?? "unknown"}), longer than its recovery.deadlineMs${current.failure === undefined ? "" : `; it waited because: ${current.failure.message}`}`,
            asset
          },
          now
        )
      )
    } else if (waitingFor.type === "store" && !current.attentionRaised && waitingFor.since + storeAttentionMs <= now) {
      events.push({ _tag: "RunAttentionRaised", stepId, reason: `store ${waitingFor.store} is unavailable`, at: now })
    }
  }
  return events
}

const interrupt = (state: State, command: Command & { _tag: "Interrupt" }): ReadonlyArray<Event> => {
  const { crashLimit, now, processId, reason } = command
  const cut = stepsIn(state, "executing").map((stepId) => ({ stepId, attempt: step(state, stepId).attempt }))
  if (cut.length === 0 || state.ended !== null) return []
  const events: Array<Event> = [{ _tag: "RunInterrupted", reason, processId, steps: cut, at: now }]
  for (const { stepId } of cut) {
    const current = step(state, stepId)
    if (reason === "drain" || current.crashes + 1 < crashLimit) continue
    const message = `step ${stepId} was cut off by a crash ${crashLimit} times without one execution ending by itself`
    events.push(fail(stepId, current, { class: "permanent", code: "crash_loop", message }, now))
  }
  return events
}

const start = (command: Command & { _tag: "Start" }): ReadonlyArray<Event> => {
  const { _tag, now, only, items = {}, results, runId, slot: _slot, definition, ...request } = command
  const kept = (value: unknown) => value !== undefined
  const fields = Object.fromEntries(Object.entries(request).filter(([, value]) => kept(value))) as typeof request
  const requested = {
    _tag: "RunRequested",
    runId,
    ...fields,
    ...(only === undefined ? {} : { only }),
    definition,
    at: now
  } as Event
  if (only === undefined) return [requested]
  const skipped = definition.steps
    .filter(({ id }) => !only.includes(id))
    .map(({ id }): Event => {
      const result = results?.[id]
      return {
        _tag: "StepSkipped",
        stepId: id,
        reason: "not needed",
        ...(result === undefined ? {} : { result }),
        at: now
      }
    })
  return [requested, ...chosenChildren(only, items, now), ...skipped]
}

/** Of the fan-outs, the children that are asked for alone; the fan-outs themselves are skipped. */
const chosenChildren = (
  only: ReadonlyArray<string>,
  items: Readonly<Record<string, unknown>>,
  now: number
): ReadonlyArray<Event> =>
  only.flatMap((stepId): ReadonlyArray<Event> => {
    const child = childOf(stepId)
    if (child === null) return []
    const { index, parent } = child
    return [{ _tag: "StepExpanded", stepId: parent, attempt: 1, items: [items[stepId]], only: [index], at: now }]
  })

/** The events that the command itself causes, before what follows from the new state. */
const primary = (command: Command, state: State): Result.Result<ReadonlyArray<Event>, Rejection> => {
  if (command._tag === "Start") return Result.succeed(state.definition === null ? start(command) : [])
  if (command._tag === "Read") return Result.succeed([])
  if (state.definition === null) return Result.fail(new UnknownRun({ runId: state.runId }))
  if (RunSteering.isSteering(command)) return RunSteering.decide(command, state)
  if ("stepId" in command && !hasStep(state, command.stepId)) return Result.succeed([])
  // A fan-out is not executed itself: only its children are.
  if ("stepId" in command && stepDefinition(state, command.stepId)?.type === "fanOut") return Result.succeed([])
  const { now } = command
  const over = state.ended !== null
  switch (command._tag) {
    case "BeginStep": {
      const current = step(state, command.stepId)
      const ready =
        current.status === "retrying" || readySteps(state).some((definition) => definition.id === command.stepId)
      const isHeld = state.paused !== undefined || command.held === true
      if (over || !ready || isHeld || hasFailed(state)) return Result.succeed([])
      const { inputs, stepId } = command
      return Result.succeed([
        {
          _tag: "StepStarted",
          stepId,
          attempt: current.attempt + 1,
          ...(inputs.length === 0 ? {} : { inputs }),
          at: now
        }
      ])
    }
    case "BlockStep": {
      const { status } = step(state, command.stepId)
      const waits = status === "pending" || status === "retrying"
      return Result.succeed(over || !waits ? [] : applyVerdict(state, command.stepId, command.verdict, now))
    }
    case "EndStep":
      return Result.succeed(over ? [] : endStep(state, command))
    case "RecordOutputs": {
      const { attempt, generations, stepId } = command
      const current = step(state, stepId)
      if (current.status !== "recording" || current.attempt !== attempt) return Result.succeed([])
      return Result.succeed([{ _tag: "StepOutputsRecorded", stepId, attempt, generations, at: now }])
    }
    case "NoteOverwriting": {
      const { attempt, objects, stepId } = command
      const current = step(state, stepId)
      if (over || current.status !== "executing" || current.attempt !== attempt) {
        return Result.fail(new IllegalTransition({ command: "noteOverwriting", status: current.status }))
      }
      const fresh = RunOverwriting.fresh(state.overwriting, stepId, objects)
      return Result.succeed(
        fresh.length === 0 ? [] : [{ _tag: "StepOverwriting", stepId, attempt, objects: fresh, at: now }]
      )
    }
    case "ConfirmMoved": {
      const { stepId } = command
      const left = over && Object.hasOwn(state.overwriting, stepId) && step(state, stepId).status !== "recording"
      return Result.succeed(left ? [{ _tag: "StepLeftOversMoved", stepId, at: now }] : [])
    }
    case "Locate": {
      const { attempt, stepId, verdict } = command
      const current = step(state, stepId)
      const located = !over && current.status === "locating" && current.attempt === attempt
      return Result.succeed(located ? applyVerdict(state, stepId, verdict, now) : [])
    }
    case "SettleRecovery":
      return Result.succeed(over ? [] : settleRecovery(state, command))
    case "Recheck":
    case "ReleaseStore": {
      const waited = command._tag === "Recheck" ? command.waitsOn : `store:${command.store}`
      const steps = over ? [] : stepsIn(state, "waiting").filter((stepId) => waitsOn(step(state, stepId)) === waited)
      const reason = command._tag === "Recheck" ? "recheck" : "store"
      return Result.succeed(steps.map((stepId) => ({ _tag: "StepResumed", stepId, reason, at: now })))
    }
    case "Tick":
      return Result.succeed(over || state.paused !== undefined ? [] : tick(state, now))
    case "Interrupt":
      return Result.succeed(interrupt(state, command))
    case "Cancel":
      if (over) return Result.fail(new IllegalTransition({ command: "cancel", status: statusOf(state) }))
      return Result.succeed([{ _tag: "RunCanceled", reason: command.reason, at: now }])
    case "ConfirmDelivery":
      // A run that was recovered meanwhile has another outcome to deliver.
      return Result.succeed(
        !over || state.delivered.includes(command.to) ? [] : [{ _tag: "RunOutcomeDelivered", to: command.to, at: now }]
      )
  }
}

/** What a waiting step waits for, as `streams.waits_on` names it; null when it waits for nothing. */
export const waitsOn = ({ status, waitingFor }: StepState): string | null => {
  if (status !== "waiting" || waitingFor === undefined) return null
  return waitingFor.type === "store" ? `store:${waitingFor.store}` : `recovery-${waitingFor.recoveryId}`
}

export const decide = (command: Command, state: State): Result.Result<ReadonlyArray<Event>, Rejection> =>
  Result.map(primary(command, state), (events) => {
    if (command._tag === "Read") return events
    // A start that came before changes nothing: what follows from the state must not bear its command a second time.
    if (command._tag === "Start" && events.length === 0) return events
    const fanned = RunFanOut.settle(events.reduce(evolve, state), command.now)
    const following = followUps(fanned.state, command.now, command.slot)
    const more = [...fanned.events, ...following]
    return more.length === 0 ? events : [...events, ...more]
  })

export const decider: Decider<State, Command, Event, Rejection> = { initial, decide, evolve }
