import { Result } from "effect"
import { type Decider, nothing } from "../Decider.ts"
import type { Failure } from "../Failure.ts"
import * as Id from "../Id.ts"
import type { Cause, Event, HeldBy } from "./MaterializationEvents.ts"
import { evolve, initial, type State } from "./MaterializationState.ts"

/** Failures in a row after which a run is no longer repeated by itself; the next update tries again (F58). */
export const failureBudget = 5

/** How long nothing starts after failures, ms: `base`, doubled for each further one, at most `max`. */
export interface Backoff {
  readonly baseMs: number
  readonly maxMs: number
}

/** One update for this workflow and partition. */
export interface Update {
  readonly cause: Cause
  readonly priority: number
  readonly cyclic: boolean
}

export type Unstamped =
  /** Updates of one page of the log, in its order. */
  | {
      readonly _tag: "Request"
      readonly workflow: string
      readonly partitionKey: string
      readonly updates: ReadonlyArray<Update>
    }
  /** An update that starts no run. */
  | {
      readonly _tag: "Skip"
      readonly workflow: string
      readonly partitionKey: string
      readonly cause: Cause
      readonly why: string
    }
  /** The time until which it was held has come. */
  | { readonly _tag: "Tick" }
  | { readonly _tag: "Launched"; readonly runId: string }
  /** The run that was to start cannot be. */
  | { readonly _tag: "Refuse"; readonly runId: string; readonly why: string }
  | {
      readonly _tag: "EndRun"
      readonly runId: string
      readonly outcome: "succeeded" | "failed" | "canceled"
      readonly failure?: Failure | undefined
    }
  | { readonly _tag: "Read" }

/** `quietUntil`: when the workflow's quiet hours end, epoch ms; null: it has none now. */
export type Command = Unstamped & {
  readonly now: number
  readonly quietUntil: number | null
  readonly backoff: Backoff
}

/** The id of the actor of one workflow and partition. */
export const idOf = Id.workflowPartition

const backoffMs = ({ baseMs, maxMs }: Backoff, failures: number): number =>
  Math.min(baseMs * 2 ** Math.min(failures - 1, 30), maxMs)

/** What keeps the wanted run from starting now, the longest of all; null: nothing does. */
const holdOf = (state: State, { backoff, now, quietUntil }: Command): { until: number; by: HeldBy } | null => {
  const holds: Array<{ readonly until: number; readonly by: HeldBy }> = []
  if (state.coolUntil > now) holds.push({ until: state.coolUntil, by: "cool-down" })
  if (quietUntil !== null && quietUntil > now) holds.push({ until: quietUntil, by: "quiet-hours" })
  // A cycle goes round at most once in a cool-down (T31).
  const roundAt = state.wanted?.cyclic === true && state.lastStartedAt > 0 ? state.lastStartedAt + backoff.baseMs : 0
  if (roundAt > now) holds.push({ until: roundAt, by: "cycle" })
  return holds.reduce<(typeof holds)[0] | null>(
    (most, hold) => (most === null || hold.until > most.until ? hold : most),
    null
  )
}

/** What follows from the state alone: the wanted run starts, or is held until a time that is said. */
const followUps = (state: State, command: Command): ReadonlyArray<Event> => {
  const { held, wanted } = state
  if (wanted === null || state.active !== null) return []
  const hold = holdOf(state, command)
  if (hold !== null) {
    return held?.until === hold.until && held.by === hold.by
      ? []
      : [{ _tag: "MaterializationHeld", ...hold, at: command.now }]
  }
  const { partitionKey, workflow } = state
  const sequence = state.sequence + 1
  const { cause, count, priority } = wanted
  const runId = Id.ofParts("materialization-run", workflow, partitionKey, sequence)
  return [
    { _tag: "MaterializationStarted", workflow, partitionKey, runId, sequence, cause, count, priority, at: command.now }
  ]
}

const endRun = (state: State, command: Command & { _tag: "EndRun" }): ReadonlyArray<Event> => {
  const { backoff, failure, now, outcome, runId } = command
  const known = state.runs.find((run) => run.runId === runId)
  // A run that failed, was recovered by an operator and succeeds ends the row of failures after all.
  const late = state.active?.runId !== runId
  if (known === undefined || (late && (outcome !== "succeeded" || known.outcome === "succeeded"))) return []
  const failures = outcome === "failed" ? state.failures + 1 : outcome === "succeeded" ? 0 : state.failures
  const { reason } = known.cause
  const base = { _tag: "MaterializationEnded" as const, runId, reason, outcome, failures, at: now }
  if (outcome !== "failed") return [{ ...base, retries: false }]
  const why = failure === undefined ? {} : { failure }
  return [{ ...base, ...why, coolUntil: now + backoffMs(backoff, failures), retries: failures < failureBudget }]
}

const primary = (command: Command, state: State): ReadonlyArray<Event> => {
  const { now } = command
  switch (command._tag) {
    case "Request": {
      const { partitionKey, workflow } = command
      // Delivered again after a crash: it was taken in.
      const fresh = command.updates.filter(({ cause }) => cause.position > state.seen)
      const last = fresh[fresh.length - 1]
      if (last === undefined) return []
      const priority = Math.min(...fresh.map((update) => update.priority))
      const cyclic = fresh.every((update) => update.cyclic)
      const { cause } = last
      return [
        {
          _tag: "MaterializationRequested",
          workflow,
          partitionKey,
          cause,
          count: fresh.length,
          priority,
          cyclic,
          at: now
        }
      ]
    }
    case "Skip": {
      const { cause, partitionKey, why, workflow } = command
      if (cause.position <= state.seen) return []
      return [{ _tag: "MaterializationSkipped", workflow, partitionKey, cause, why, at: now }]
    }
    case "Launched":
      return state.active?.runId === command.runId && !state.active.launched
        ? [{ _tag: "MaterializationLaunched", runId: command.runId, at: now }]
        : []
    case "Refuse": {
      const { active, failures, partitionKey, workflow } = state
      const { runId, why } = command
      if (active?.runId !== runId) return []
      return [
        { _tag: "MaterializationSkipped", workflow, partitionKey, cause: active.cause, why, at: now },
        {
          ...{ _tag: "MaterializationEnded", runId, reason: active.cause.reason, outcome: "canceled" },
          ...{ failures, retries: false, at: now }
        }
      ]
    }
    case "EndRun":
      return endRun(state, command)
    case "Tick":
    case "Read":
      return []
  }
}

export const decide = (command: Command, state: State): Result.Result<ReadonlyArray<Event>, never> => {
  if (command._tag === "Read") return nothing
  const events = primary(command, state)
  const next = events.reduce(evolve, state)
  return Result.succeed([...events, ...followUps(next, command)])
}

export const decider: Decider<State, Command, Event, never> = { initial, decide, evolve }
