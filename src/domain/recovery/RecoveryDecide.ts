import { HashSet, Result, Schema } from "effect"
import type { Decider } from "../Decider.ts"
import { assetName, type Failure } from "../Failure.ts"
import * as Id from "../Id.ts"
import {
  type Event,
  isReasonCode,
  type PlanStep,
  type Producer,
  type ReasonCode,
  type Recheck,
  type RecoveryClass,
  type RootCause,
  type Waiter
} from "./RecoveryEvents.ts"
import { evolve, initial, isTerminal, type State, type Status, waiterKey } from "./RecoveryState.ts"

/** How long a failed recovery answers with its failure before a new report opens it afresh. */
export const coolDownMs = 15 * 60_000
/** The back-off before attempt 2; doubled for each later one, drawn between half and whole, at most a minute. */
export const backOffMs = 1_000
const backOffMaxMs = 60_000

export interface Planned {
  readonly class: RecoveryClass
  readonly rootCause: RootCause
  readonly plan: ReadonlyArray<PlanStep>
  readonly producer: Producer
  readonly recheck?: Recheck
  readonly parents: ReadonlyArray<string>
  readonly maxAttempts: number
  readonly attemptTimeoutMs: number
}

export type Unstamped =
  /** Ask for the recovery of one lost generation, or join it. No waiter: an operator asks. */
  | {
      readonly _tag: "Join"
      readonly recoveryId: string
      readonly assetId: string
      readonly partitionKey: string
      readonly generation: number
      /** The generation is there, and too old for the waiter. */
      readonly refresh?: boolean | undefined
      readonly waiter?: Waiter | undefined
      readonly priority: number
      /** Open it afresh if it has failed. */
      readonly reopen: boolean
      /** The newest version of the producing workflow, when the asker knows it. */
      readonly producerVersion?: number | undefined
    }
  | { readonly _tag: "Plan"; readonly round: number; readonly planned: Planned }
  | {
      readonly _tag: "Reject"
      readonly round: number
      readonly reasonCode: ReasonCode
      readonly failure: Failure
      readonly rootCause?: RootCause | undefined
    }
  | {
      readonly _tag: "Restore"
      readonly round: number
      readonly via: "producer" | "copy" | "found"
      readonly generation: number
      readonly contentChanged: boolean
    }
  | { readonly _tag: "SettleParent"; readonly recoveryId: string; readonly failure?: Failure | undefined }
  | { readonly _tag: "ConfirmStart"; readonly attempt: number }
  /** The source could not be asked. */
  | { readonly _tag: "FailAsking"; readonly attempt: number; readonly failure: Failure; readonly random: number }
  /** `unowned`: it missed something that belongs to no asset. `random` (0 ≤ r < 1) draws the back-off's jitter. */
  | {
      readonly _tag: "EndProducer"
      readonly producerRunId: string
      readonly failure?: Failure | undefined
      readonly unowned: boolean
      readonly random: number
    }
  /** The back-off is over; `wanted`: somebody of the first `asked` waiters (default: all) still waits. */
  | {
      readonly _tag: "NextAttempt"
      readonly attempt: number
      readonly wanted: boolean
      readonly asked?: number | undefined
    }
  /** `seen`: what there is in place of the announcement that a source was asked for. */
  | { readonly _tag: "Tick"; readonly random: number; readonly seen?: string | undefined }
  | { readonly _tag: "Release"; readonly released: number }
  | { readonly _tag: "Retry" }
  | { readonly _tag: "Cancel"; readonly reason: string }
  /** From now on no attempt begins, until it is resumed; one under way goes on. */
  | { readonly _tag: "Pause"; readonly reason: string }
  | { readonly _tag: "Resume" }
  | { readonly _tag: "Read" }
export type Command = Unstamped & { readonly now: number }

export class IllegalRecoveryTransition extends Schema.TaggedError<IllegalRecoveryTransition>()(
  "IllegalRecoveryTransition",
  { command: Schema.String, status: Schema.String }
) {}
export class UnknownRecovery extends Schema.TaggedError<UnknownRecovery>()("UnknownRecovery", {}) {}
export type Rejection = IllegalRecoveryTransition | UnknownRecovery

type Decision = Result.Result<ReadonlyArray<Event>, Rejection>

const requested = (state: State, now: number): Event => ({
  _tag: "RecoveryRequested",
  recoveryId: state.recoveryId,
  assetId: state.assetId,
  partitionKey: state.partitionKey,
  lostGeneration: state.lostGeneration,
  round: state.round + 1,
  priority: state.priority,
  ...(state.refresh ? { refresh: true } : {}),
  ...(state.producerVersion === null ? {} : { producerVersion: state.producerVersion }),
  at: now
})

const reopens = (state: State, command: Command & { _tag: "Join" }): boolean => {
  if (state.status === "succeeded") return state.via === "found"
  if (command.reopen || command.now - (state.finishedAt ?? 0) >= coolDownMs) return true
  // The asker's word then and now is compared: the plan's producer may be a version of another workflow.
  const known = state.producerVersion ?? state.producer?.version ?? 0
  return command.producerVersion !== undefined && command.producerVersion > known
}

const join = (state: State, command: Command & { _tag: "Join" }): ReadonlyArray<Event> => {
  const { assetId, generation, now, partitionKey, priority, recoveryId, refresh = false, waiter } = command
  const producerVersion = command.producerVersion ?? state.producerVersion
  const fresh = state.round === 0
  const open = !fresh && !isTerminal(state)
  if (!fresh && !open && !reopens(state, command)) return []
  const events: Array<Event> = []
  if (!open) {
    const subject = fresh
      ? {
          ...initial,
          recoveryId,
          assetId,
          partitionKey,
          lostGeneration: generation,
          refresh,
          priority,
          producerVersion
        }
      : { ...state, priority, producerVersion }
    events.push(requested(subject, now))
  }
  const next = events.reduce(evolve, state)
  if (waiter !== undefined && !HashSet.has(next.waiterKeys, waiterKey(waiter))) {
    const better = priority < next.priority ? { priority } : {}
    events.push({ _tag: "RecoveryWaiterJoined", waiter, ...better, at: now })
  }
  return events
}

const failed = (reasonCode: ReasonCode, failure: Failure, now: number, rootCause?: RootCause): Event => ({
  _tag: "RecoveryFailed",
  reasonCode,
  failure,
  ...(rootCause === undefined ? {} : { rootCause }),
  at: now
})

/** The other asset that a failure is about: what has to be mended first. */
const ancestorOf = (state: State, { asset, message }: Failure): RootCause | undefined =>
  asset === undefined || Id.asset(asset.assetId, asset.partitionKey) === Id.asset(state.assetId, state.partitionKey)
    ? undefined
    : { ...asset, why: message }

const scheduled = (state: State, now: number): Event => {
  const attempt = state.attempt + 1
  const { before, stepId } = state.producer!
  return {
    _tag: "RecoveryScheduled",
    attempt,
    ...(state.recheck === "webhook"
      ? {}
      : { producerRunId: Id.ofParts("recovery-run", state.recoveryId, state.round, attempt) }),
    // A workflow that asks a source runs whole.
    only: state.recheck !== null ? [] : state.widen ? [...before, stepId] : [stepId],
    at: now
  }
}

/** An attempt has failed: the next one after a back-off, or the end. */
const attemptFailed = (state: State, failure: Failure, random: number, now: number, widen = false) => {
  const last = state.attempt >= state.maxAttempts
  const backOff = Math.min(backOffMs * 2 ** (state.attempt - 1), backOffMaxMs)
  const dueAt = Math.round(now + backOff / 2 + (random * backOff) / 2)
  const event: Event = {
    _tag: "RecoveryAttemptFailed",
    attempt: state.attempt,
    failure,
    ...(last ? {} : { dueAt }),
    ...(widen ? { widen } : {}),
    at: now
  }
  if (!last) return [event]
  const name = assetName(state)
  const exhausted: Failure = {
    class: "asset_missing",
    code: "budget_exhausted",
    message: `${name} could not be recovered in ${state.maxAttempts} attempts; the last one failed with: ${failure.message}`,
    asset: { assetId: state.assetId, partitionKey: state.partitionKey }
  }
  return [event, failed("budget_exhausted", exhausted, now)]
}

/** The producer's own word that another try is of no use ends the budget at once. */
const failedForGood = (state: State, failure: Failure, now: number): ReadonlyArray<Event> => {
  const { assetId, attempt, partitionKey } = state
  const who = state.recheck === "webhook" ? "source" : "producer"
  const message = `${assetName(state)} could not be recovered: its ${who} failed for good with: ${failure.message}`
  const exhausted: Failure = {
    class: "asset_missing",
    code: "budget_exhausted",
    message,
    asset: { assetId, partitionKey }
  }
  return [{ _tag: "RecoveryAttemptFailed", attempt, failure, at: now }, failed("budget_exhausted", exhausted, now)]
}

/** Ends of a producer's run that another try would only repeat: it says why its own input cannot be had. */
const hopeless: ReadonlySet<string> = new Set([
  "source_asset",
  "no_producer",
  "producer_gone",
  "parameters_unknown",
  "not_idempotent",
  "cycle",
  "disabled"
])

const isHopeless = (failure: Failure): boolean =>
  // It said that it had made the asset and had not: another try would only say so again (T38).
  failure.code === "output_absent" || (failure.class === "asset_missing" && hopeless.has(failure.code))

/** What follows from the state alone: with every parent ended, the first attempt is scheduled or the recovery fails. */
const followUps = (state: State, now: number): ReadonlyArray<Event> => {
  if (state.status !== "planned" || state.phase !== "idle" || state.paused) return []
  const broken = state.settledParents.find(
    ({ failure, recoveryId }) => failure !== undefined && state.allParents.includes(recoveryId)
  )
  if (broken?.failure !== undefined) {
    const { failure } = broken
    const reasonCode = isReasonCode(failure.code) ? failure.code : "budget_exhausted"
    const message = `${assetName(state)} cannot be remade before its input is back: ${failure.message}`
    return [failed(reasonCode, { ...failure, message }, now, ancestorOf(state, failure))]
  }
  return state.parents.length === 0 ? [scheduled(state, now)] : []
}

const primary = (command: Command, state: State): Decision => {
  const { now } = command
  if (command._tag === "Join") return Result.succeed(join(state, command))
  if (command._tag === "Read") return Result.succeed([])
  if (state.round === 0) return Result.fail(new UnknownRecovery())
  const over = isTerminal(state)
  const illegal = (status: Status) =>
    Result.fail(new IllegalRecoveryTransition({ command: command._tag.toLowerCase(), status }))
  switch (command._tag) {
    case "Plan":
      return Result.succeed(
        state.status !== "requested" || command.round !== state.round
          ? []
          : [{ _tag: "RecoveryPlanned", ...command.planned, at: now }]
      )
    case "Reject":
      return Result.succeed(
        over || command.round !== state.round
          ? []
          : [failed(command.reasonCode, command.failure, now, command.rootCause)]
      )
    case "Restore": {
      const { contentChanged, generation, via } = command
      if (over || command.round !== state.round) return Result.succeed([])
      return Result.succeed([{ _tag: "RecoverySucceeded", via, generation, contentChanged, at: now }])
    }
    case "SettleParent": {
      const { failure, recoveryId } = command
      const known = state.settledParents.some((parent) => parent.recoveryId === recoveryId)
      if (over || known || state.status === "running") return Result.succeed([])
      return Result.succeed([
        { _tag: "RecoveryParentSettled", recoveryId, ...(failure === undefined ? {} : { failure }), at: now }
      ])
    }
    case "ConfirmStart":
      return Result.succeed(
        state.phase === "starting" && state.attempt === command.attempt
          ? [{ _tag: "RecoveryAttemptStarted", attempt: command.attempt, at: now }]
          : []
      )
    case "FailAsking": {
      const { attempt, failure, random } = command
      if (over || state.phase !== "starting" || attempt !== state.attempt) return Result.succeed([])
      const events =
        failure.class === "permanent" ? failedForGood(state, failure, now) : attemptFailed(state, failure, random, now)
      return Result.succeed(events)
    }
    case "EndProducer": {
      const { failure, producerRunId, random, unowned } = command
      const current = state.phase === "starting" || state.phase === "producing"
      if (over || !current || producerRunId !== state.producerRunId) return Result.succeed([])
      if (failure === undefined) {
        return Result.succeed([{ _tag: "RecoveryProducerEnded", attempt: state.attempt, at: now }])
      }
      // What belongs to no asset may be remade by the steps before: that is worth another try.
      if (!unowned && isHopeless(failure) && isReasonCode(failure.code)) {
        return Result.succeed([failed(failure.code, failure, now, ancestorOf(state, failure))])
      }
      if (!unowned && failure.class === "permanent") return Result.succeed(failedForGood(state, failure, now))
      return Result.succeed(attemptFailed(state, failure, random, now, unowned))
    }
    case "NextAttempt": {
      if (over || state.paused || state.phase !== "backingOff" || command.attempt !== state.attempt + 1)
        return Result.succeed([])
      // Whoever joined after the others were asked is waiting.
      const wanted = command.wanted || (command.asked !== undefined && state.waiterCount > command.asked)
      if (wanted) return Result.succeed([scheduled(state, now)])
      const message = `attempt ${state.attempt} failed and nobody waits for ${assetName(state)}: ${state.failure?.message ?? ""}`
      return Result.succeed([failed("canceled", { class: "asset_missing", code: "canceled", message }, now)])
    }
    case "Tick": {
      const timed = state.phase === "starting" || state.phase === "producing" || state.phase === "verifying"
      if (over || !timed || state.dueAt === null || state.dueAt > now) return Result.succeed([])
      const what =
        state.recheck === null || state.phase === "starting"
          ? `took longer than attemptTimeoutMs (${state.attemptTimeoutMs})`
          : `asked the source, which did not announce ${assetName(state)} within attemptTimeoutMs (${state.attemptTimeoutMs})`
      const seen = command.seen === undefined ? "" : `: ${command.seen}`
      const message = `attempt ${state.attempt} ${what}${seen}`
      return Result.succeed(attemptFailed(state, { class: "transient", code: "timeout", message }, command.random, now))
    }
    case "Release":
      return Result.succeed(
        command.released <= state.released || command.released > state.waiterCount || !over
          ? []
          : [{ _tag: "RecoveryWaitersReleased", released: command.released, at: now }]
      )
    case "Retry":
      return state.status === "failed" || state.status === "canceled"
        ? Result.succeed([requested(state, now)])
        : illegal(state.status)
    case "Pause":
      if (over) return illegal(state.status)
      return Result.succeed(state.paused ? [] : [{ _tag: "RecoveryPaused", reason: command.reason, at: now }])
    case "Resume":
      if (over) return illegal(state.status)
      return Result.succeed(state.paused ? [{ _tag: "RecoveryResumed", at: now }] : [])
    case "Cancel": {
      if (over) return illegal(state.status)
      const message = `the recovery of ${assetName(state)} was canceled${command.reason === "" ? "" : `: ${command.reason}`}`
      const asset = { assetId: state.assetId, partitionKey: state.partitionKey }
      return Result.succeed([failed("canceled", { class: "asset_missing", code: "canceled", message, asset }, now)])
    }
  }
}

export const decide = (command: Command, state: State): Decision =>
  Result.map(primary(command, state), (events) => {
    if (events.length === 0) return events
    const next = events.reduce(evolve, state)
    return [...events, ...followUps(next, command.now)]
  })

export const decider: Decider<State, Command, Event, Rejection> = { initial, decide, evolve }
