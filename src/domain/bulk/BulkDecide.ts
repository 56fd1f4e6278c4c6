import { Result, Schema } from "effect"
import * as PackedKeys from "../backfill/PackedKeys.ts"
import { type Decider, nothing } from "../Decider.ts"
import type { JsonObject } from "../JsonBounds.ts"
import { IllegalTransition } from "../run/RunCommands.ts"
import type { Action, Event, ItemResult, Target } from "./BulkEvents.ts"
import { batch, evolve, initial, isOver, type State } from "./BulkState.ts"

/** Items of one operation: unless it says otherwise, and at most. */
export const limitDefault = 100
export const limitMax = 1_000
export const canaryMax = 100
/** Items that are told in a second: unless it says otherwise, and at most. */
export const rateDefault = 20
export const rateMax = 100

/** There is no such bulk operation. */
export class UnknownBulk extends Schema.TaggedError<UnknownBulk>()("UnknownBulk", {}) {}

export type Rejection = IllegalTransition | UnknownBulk

export interface Request {
  readonly _tag: "Request"
  readonly bulkId: string
  readonly target: Target
  readonly action: Action
  readonly filter: JsonObject
  /** In the order in which they are told; each once. */
  readonly ids: ReadonlyArray<string>
  readonly more: boolean
  readonly canary: number
  readonly ratePerSecond: number
  readonly reason: string
  readonly principal?: string | undefined
}

export type Unstamped =
  | Request
  | { readonly _tag: "EndItems"; readonly from: number; readonly results: ReadonlyArray<ItemResult> }
  | {
      readonly _tag: "EndCanary"
      readonly itemId: string
      readonly ended: "succeeded" | "failed" | "canceled"
      readonly message?: string | undefined
    }
  | { readonly _tag: "Cancel"; readonly reason: string }
  | { readonly _tag: "Read" }
export type Command = Unstamped & { readonly now: number }

type Decision = Result.Result<ReadonlyArray<Event>, Rejection>

const requested = (state: State, command: Request & { readonly now: number }): ReadonlyArray<Event> => {
  if (state.status !== null) return []
  const { _tag, ids, now, principal, ...fields } = command
  const who = principal === undefined ? {} : { principal }
  return [{ _tag: "BulkRequested", ...fields, ...who, items: PackedKeys.pack(ids), total: ids.length, at: now }]
}

const primary = (command: Command, state: State): Decision => {
  const { now } = command
  switch (command._tag) {
    case "Request":
      return Result.succeed(requested(state, command))
    case "EndItems": {
      const { from, results } = command
      // Told twice, or by an activity that was started before another one noted them.
      const isNext = from === state.cursor && results.length > 0 && from + results.length <= state.stopAt
      return Result.succeed(isNext && !isOver(state) ? [{ _tag: "BulkItemsDone", from, results, at: now }] : [])
    }
    case "EndCanary": {
      const { ended, itemId, message } = command
      const why = message === undefined ? {} : { message }
      return Result.succeed(
        state.watching.has(itemId) ? [{ _tag: "BulkCanaryEnded", itemId, ended, ...why, at: now }] : []
      )
    }
    case "Cancel":
      return state.status === "running"
        ? Result.succeed([{ _tag: "BulkCanceled", reason: command.reason, at: now }])
        : Result.fail(new IllegalTransition({ command: "cancel", status: state.status ?? "" }))
    case "Read":
      return nothing
  }
}

/** What follows from the state alone: the end is noted. */
const followUps = (state: State, now: number): ReadonlyArray<Event> => {
  const { failedCanary, status, undone, watching } = state
  if (status === "canceling") return batch(state) > 0 ? [] : [{ _tag: "BulkEnded", status: "canceled", at: now }]
  if (status !== "running") return []
  if (failedCanary !== null) return [{ _tag: "BulkEnded", status: "failed", canary: failedCanary.id, at: now }]
  if (batch(state) > 0 || watching.size > 0) return []
  const isFine = undone.every(({ outcome }) => outcome === "skipped")
  return [{ _tag: "BulkEnded", status: isFine ? "succeeded" : "failed", at: now }]
}

export const decide = (command: Command, state: State): Decision => {
  if (command._tag === "Read") return nothing
  if (state.status === null && command._tag !== "Request") return Result.fail(new UnknownBulk())
  return Result.map(primary(command, state), (events) => [
    ...events,
    ...followUps(events.reduce(evolve, state), command.now)
  ])
}

export const decider: Decider<State, Command, Event, Rejection> = { initial, decide, evolve }
