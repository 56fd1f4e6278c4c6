import { HashMap, Result, Schema } from "effect"
import { type Decider, nothing } from "../Decider.ts"
import type { Failure } from "../Failure.ts"
import type { JsonObject } from "../JsonBounds.ts"
import { IllegalTransition } from "../run/RunCommands.ts"
import type { Event, Outcome } from "./BackfillEvents.ts"
import { evolve, initial, isOver, type State, startable } from "./BackfillState.ts"
import * as PackedKeys from "./PackedKeys.ts"

/** Partitions of one backfill, at most. */
export const partitionsMax = 100_000
/** Runs of one backfill that are under way at once: unless it says otherwise, and at most. */
export const concurrencyDefault = 4
export const concurrencyMax = 100

/** There is no such backfill. */
export class UnknownBackfill extends Schema.TaggedError<UnknownBackfill>()("UnknownBackfill", {}) {}

export type Rejection = IllegalTransition | UnknownBackfill

export interface Request {
  readonly _tag: "Request"
  readonly backfillId: string
  readonly workflow: string
  readonly assetId?: string | undefined
  /** In the order in which they run; each once. */
  readonly keys: ReadonlyArray<string>
  readonly concurrency: number
  readonly canary: number
  readonly parameters: JsonObject
  readonly onlyMissing: boolean
  readonly reason: string
}

export type Unstamped =
  | Request
  | {
      readonly _tag: "EndRun"
      readonly runId: string
      readonly outcome: Outcome
      readonly failure?: Failure | undefined
    }
  | { readonly _tag: "Pause"; readonly reason: string }
  | { readonly _tag: "Resume" }
  | { readonly _tag: "Cancel"; readonly reason: string }
  | { readonly _tag: "Read" }
export type Command = Unstamped & { readonly now: number }

type Decision = Result.Result<ReadonlyArray<Event>, Rejection>

const requested = (state: State, command: Request & { readonly now: number }): ReadonlyArray<Event> => {
  if (state.status !== null) return []
  const { _tag, assetId, keys, now, ...fields } = command
  const asset = assetId === undefined ? {} : { assetId }
  const partitions = PackedKeys.pack(keys)
  return [{ _tag: "BackfillRequested", ...fields, ...asset, partitions, total: keys.length, at: now }]
}

const endRun = (state: State, command: Command & { _tag: "EndRun" }): ReadonlyArray<Event> => {
  const { failure, now, outcome, runId } = command
  const late = HashMap.get(state.failures, runId)
  const index = state.running.get(runId) ?? (late._tag === "Some" ? late.value.index : undefined)
  // Told twice, or by a run that is none of ours. Of what is known to have failed only a success is news.
  if (index === undefined || (!state.running.has(runId) && outcome !== "succeeded")) return []
  const reason = failure === undefined ? {} : { failure }
  return [{ _tag: "BackfillRunEnded", index, partitionKey: state.keys[index]!, runId, outcome, ...reason, at: now }]
}

/** What follows from the state alone: runs start, or the end is noted. */
const followUps = (state: State, now: number): ReadonlyArray<Event> => {
  const count = startable(state)
  if (count > 0) return [{ _tag: "BackfillRunsStarted", from: state.cursor, count, at: now }]
  if (state.status === null || state.running.size > 0) return []
  const { cursor, failedCanary, failures, keys } = state
  const isFine = HashMap.isEmpty(failures)
  if (isOver(state)) {
    // Every run that had failed was recovered: the backfill has succeeded after all.
    const isHealed = state.status === "failed" && isFine && failedCanary === null
    return isHealed ? [{ _tag: "BackfillFinished", status: "succeeded", at: now }] : []
  }
  if (state.status === "canceling") return [{ _tag: "BackfillFinished", status: "canceled", at: now }]
  if (failedCanary !== null) return [{ _tag: "BackfillFinished", status: "failed", canary: failedCanary, at: now }]
  if (cursor < keys.length) return []
  return [{ _tag: "BackfillFinished", status: isFine ? "succeeded" : "failed", at: now }]
}

const primary = (command: Command, state: State): Decision => {
  const { now } = command
  const illegal = (verb: string) => Result.fail(new IllegalTransition({ command: verb, status: state.status ?? "" }))
  switch (command._tag) {
    case "Request":
      return Result.succeed(requested(state, command))
    case "EndRun":
      return Result.succeed(endRun(state, command))
    case "Pause":
      return state.status === "running"
        ? Result.succeed([{ _tag: "BackfillPaused", reason: command.reason, at: now }])
        : illegal("pause")
    case "Resume":
      return state.status === "paused" ? Result.succeed([{ _tag: "BackfillResumed", at: now }]) : illegal("resume")
    case "Cancel":
      return state.status === "running" || state.status === "paused"
        ? Result.succeed([{ _tag: "BackfillCanceled", reason: command.reason, at: now }])
        : illegal("cancel")
    case "Read":
      return nothing
  }
}

export const decide = (command: Command, state: State): Decision => {
  if (state.status === null && command._tag !== "Request" && command._tag !== "Read") {
    return Result.fail(new UnknownBackfill())
  }
  if (command._tag === "Read") return nothing
  return Result.map(primary(command, state), (events) => [
    ...events,
    ...followUps(events.reduce(evolve, state), command.now)
  ])
}

export const decider: Decider<State, Command, Event, Rejection> = { initial, decide, evolve }
