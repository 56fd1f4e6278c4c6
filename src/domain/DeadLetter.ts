import { Result, Schema } from "effect"
import { type Decider, nothing } from "./Decider.ts"
import * as Id from "./Id.ts"
import { IllegalTransition } from "./run/RunCommands.ts"

/** The id of the actor of one dead letter of the event bus; `letterId` is what the bus calls it. */
export const idOf = (letterId: string): string => Id.ofParts("deadletter", letterId)

/** What became of a letter. */
export type Status = "retried" | "discarded"

// ---------------------------------------------------------------- commands

export type Command =
  | { readonly _tag: "Retry"; readonly letterId: string; readonly reason?: string | undefined }
  | { readonly _tag: "Discard"; readonly letterId: string; readonly reason: string }
  | { readonly _tag: "Read" }
export type Stamped = Command & { readonly now: number }

// ------------------------------------------------------------------ events

/** Stored forever. Add a field only with a decoding default; never rename. Times are in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  /** Somebody wants the event to be handed over once more. */
  DeadLetterRetried: { letterId: Schema.String, reason: Schema.optionalKey(Schema.String) },
  /** Somebody wants the event to be forgotten. */
  DeadLetterDiscarded: { letterId: Schema.String, reason: Schema.String }
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }

// ------------------------------------------------------------------- state

/** What somebody decided about one letter; the letter itself is the bus's. */
export interface State {
  readonly status: Status | null
}

export const initial: State = { status: null }

// ----------------------------------------------------------------- decider

type Decision = Result.Result<ReadonlyArray<Event>, IllegalTransition>

const settle = ({ status }: State, command: string, wanted: Status, event: Event): Decision => {
  if (status === null) return Result.succeed([event])
  // The first decision holds: the bus may have been told of it already.
  return status === wanted ? nothing : Result.fail(new IllegalTransition({ command, status }))
}

export const decide = (command: Stamped, state: State): Decision => {
  switch (command._tag) {
    case "Retry": {
      const { letterId, now: at, reason } = command
      const why = reason === undefined ? {} : { reason }
      return settle(state, "retry", "retried", { _tag: "DeadLetterRetried", letterId, ...why, at })
    }
    case "Discard": {
      const { letterId, now: at, reason } = command
      return settle(state, "discard", "discarded", { _tag: "DeadLetterDiscarded", letterId, reason, at })
    }
    case "Read":
      return nothing
  }
}

export const evolve = (_state: State, event: Event): State => ({
  status: event._tag === "DeadLetterRetried" ? "retried" : "discarded"
})

export const decider: Decider<State, Stamped, Event, IllegalTransition> = { initial, decide, evolve }
