import { Result, Schema } from "effect"
import { type Decider, nothing } from "./Decider.ts"

/** How many ended runs a key remembers, so that a late repeat of their claim does not take the key for ever. */
const endedMax = 100

/** Longest time for which a key answers the run that ended: 30 days, in ms. */
export const windowMsMax = 2_592_000_000

// ---------------------------------------------------------------- commands

export type Command = { readonly now: number } & (
  | {
      readonly _tag: "Claim"
      readonly runId: string
      /** What starts the run, JSON; opaque here. */
      readonly start: { readonly [key: string]: unknown }
      /** How long after its end a run still has the key, ms; default 0. */
      readonly windowMs?: number | undefined
    }
  /** A run that had the key goes on after it had ended, and takes the key again if nobody has it. */
  | { readonly _tag: "Reclaim"; readonly runId: string }
  /** The run has been started. */
  | { readonly _tag: "Confirm"; readonly runId: string }
  /** The run is terminal. */
  | { readonly _tag: "RunEnded"; readonly runId: string }
  | { readonly _tag: "Read" }
)

// ------------------------------------------------------------------ events

/** Stored forever. Add a field only with a decoding default; never rename. Times are in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  RunKeyClaimed: { runId: Schema.String, start: Schema.Record(Schema.String, Schema.Unknown) },
  RunKeyConfirmed: { runId: Schema.String },
  RunKeyReleased: { runId: Schema.String },
  /** Another run asked for the key while `runId` had it, or soon after its end; it was answered with that one. */
  RunKeyConflictCounted: { runId: Schema.String }
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }

// ------------------------------------------------------------------- state

export interface State {
  /** The run that has the key. `confirmed`: it has been started; until then `start` says how to. */
  readonly active: {
    readonly runId: string
    readonly start: { readonly [key: string]: unknown }
    readonly confirmed: boolean
  } | null
  /** Runs that had the key, oldest first; the last 100. */
  readonly ended: ReadonlyArray<string>
  /** The run that had the key last, and when it ended, epoch ms; null: none has ended. */
  readonly last: { readonly runId: string; readonly at: number } | null
  /** How often a claim found the key taken (F51). */
  readonly conflicts: number
}

export const initial: State = { active: null, ended: [], last: null, conflicts: 0 }

// ----------------------------------------------------------------- decider

type Decision = Result.Result<ReadonlyArray<Event>, never>

/** The run that answers a claim of `runId` now: another one that has the key, or had it until less than `windowMs` ago. */
export const holder = ({ active, ended, last }: State, runId: string, now: number, windowMs = 0): string => {
  if (active !== null) return active.runId
  if (last === null || ended.includes(runId)) return runId
  return now - last.at < windowMs ? last.runId : runId
}

const claim = (command: Command & { readonly _tag: "Claim" }, state: State): Decision => {
  const { now, runId, start, windowMs } = command
  if (state.active?.runId === runId || state.ended.includes(runId)) return nothing
  const held = holder(state, runId, now, windowMs)
  if (held !== runId) return Result.succeed([{ _tag: "RunKeyConflictCounted", runId: held, at: now }])
  return Result.succeed([{ _tag: "RunKeyClaimed", runId, start, at: now }])
}

export const decide = (command: Command, state: State): Decision => {
  const { active } = state
  switch (command._tag) {
    case "Claim":
      return claim(command, state)
    case "Reclaim": {
      const { now: at, runId } = command
      if (active !== null) return nothing
      return Result.succeed([
        { _tag: "RunKeyClaimed", runId, start: {}, at },
        { _tag: "RunKeyConfirmed", runId, at }
      ])
    }
    case "Confirm":
      if (active?.runId !== command.runId || active.confirmed) return nothing
      return Result.succeed([{ _tag: "RunKeyConfirmed", runId: command.runId, at: command.now }])
    case "RunEnded":
      if (active?.runId !== command.runId) return nothing
      return Result.succeed([{ _tag: "RunKeyReleased", runId: command.runId, at: command.now }])
    case "Read":
      return nothing
  }
}

export const evolve = (state: State, event: Event): State => {
  switch (event._tag) {
    case "RunKeyClaimed":
      return {
        ...state,
        active: { runId: event.runId, start: event.start, confirmed: false },
        ended: state.ended.filter((runId) => runId !== event.runId)
      }
    case "RunKeyConfirmed":
      return { ...state, active: state.active === null ? null : { ...state.active, confirmed: true } }
    case "RunKeyReleased":
      return {
        ...state,
        active: null,
        ended: [...state.ended, event.runId].slice(-endedMax),
        last: { runId: event.runId, at: event.at }
      }
    case "RunKeyConflictCounted":
      return { ...state, conflicts: state.conflicts + 1 }
  }
}

export const decider: Decider<State, Command, Event, never> = { initial, decide, evolve }
