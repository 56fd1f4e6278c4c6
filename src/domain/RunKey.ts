import { Result, Schema } from "effect"
import type { Decider } from "./Decider.ts"

// ---------------------------------------------------------------- commands

export type Command =
  /** `start`: all that is needed to start the run, so that a crash between the two loses nothing. */
  | {
      readonly _tag: "Claim"
      readonly runId: string
      readonly start: Readonly<Record<string, unknown>>
      readonly now: number
    }
  /** The claimed run has been started. */
  | { readonly _tag: "Confirm"; readonly runId: string; readonly now: number }
  | { readonly _tag: "RunEnded"; readonly runId: string; readonly now: number }

// ------------------------------------------------------------------ events

/** Stored forever. Add a field only with a decoding default; never rename. The time is in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  RunKeyClaimed: { runId: Schema.String, start: Schema.Record(Schema.String, Schema.Unknown) },
  RunKeyConfirmed: { runId: Schema.String },
  RunKeyReleased: { runId: Schema.String }
})
export type Event = typeof Event.Type & { readonly at: number }

// ------------------------------------------------------------------- state

export interface State {
  /** The one active run of the key. */
  readonly active: {
    readonly runId: string
    readonly start: Readonly<Record<string, unknown>>
    readonly confirmed: boolean
  } | null
  /** The run that held it last: a late repeat of its claim must not start it again. */
  readonly lastRunId: string | null
}
export const initial: State = { active: null, lastRunId: null }

// ----------------------------------------------------------------- decider

export const decide = (command: Command, state: State): Result.Result<ReadonlyArray<Event>, never> => {
  const { now: at, runId } = command
  const isActive = state.active?.runId === runId
  switch (command._tag) {
    case "Claim":
      return Result.succeed(
        state.active !== null || state.lastRunId === runId
          ? []
          : [{ _tag: "RunKeyClaimed", runId, start: command.start, at }]
      )
    case "Confirm":
      return Result.succeed(isActive && !state.active.confirmed ? [{ _tag: "RunKeyConfirmed", runId, at }] : [])
    case "RunEnded":
      return Result.succeed(isActive ? [{ _tag: "RunKeyReleased", runId, at }] : [])
  }
}

export const evolve = (state: State, event: Event): State => {
  switch (event._tag) {
    case "RunKeyClaimed":
      return { ...state, active: { runId: event.runId, start: event.start, confirmed: false } }
    case "RunKeyConfirmed":
      return { ...state, active: state.active === null ? null : { ...state.active, confirmed: true } }
    case "RunKeyReleased":
      return { active: null, lastRunId: event.runId }
  }
}

export const decider: Decider<State, Command, Event, never> = { initial, decide, evolve }
