import { Result, Schema } from "effect"
import { type Decider, nothing } from "./Decider.ts"
import * as Id from "./Id.ts"

/** How bad it is. `warning`: the system waits or goes on by itself; `critical`: it stands, or comes back again and again. */
export const Severity = Schema.Literals(["warning", "error", "critical"])
export type Severity = typeof Severity.Type

/** What needs a human. The first three come from their own streams, the others are raised by whoever finds them. */
export const Kind = Schema.Literals([
  "run",
  "recovery",
  "materialization",
  "store",
  "projection",
  "finding",
  "schedule"
])
export type Kind = typeof Kind.Type

/** What may be raised from outside of a run's, a recovery's and a materialization's own stream. */
export const RaisedKind = Schema.Literals(["store", "projection", "finding", "schedule"])

/** From this many times on, what comes back is critical (F76). */
export const escalatesAt = 3

export const escalated = (severity: Severity, count: number): Severity => (count >= escalatesAt ? "critical" : severity)

/** The id of the actor of one thing that needs attention; `itemId` is what people see, such as `run:<id>`. */
export const idOf = (itemId: string): string => Id.ofParts("attention", itemId)

const what = {
  kind: RaisedKind,
  /** A stable lower-case word for programs. */
  reasonCode: Schema.String,
  message: Schema.String,
  severity: Severity,
  assetId: Schema.optionalKey(Schema.String),
  partitionKey: Schema.optionalKey(Schema.String)
}

// ------------------------------------------------------------------ events

/** Stored forever. Add a field only with a decoding default; never rename. Times are in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  /** `count`: how often it has come up so far, this time included. */
  AttentionRaised: { id: Schema.String, ...what, count: Schema.Int },
  /** It is as it should be again. */
  AttentionSettled: { id: Schema.String },
  /** A person does not want to hear of it before `until` (epoch ms). */
  AttentionMuted: { id: Schema.String, reason: Schema.String, until: Schema.Int },
  AttentionUnmuted: { id: Schema.String }
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }

// ---------------------------------------------------------------- commands

/** One thing to look at. The same `id` is the same thing, however often it is raised. */
export interface Raise {
  readonly id: string
  readonly kind: typeof RaisedKind.Type
  readonly reasonCode: string
  readonly message: string
  readonly severity: Severity
  readonly assetId?: string
  readonly partitionKey?: string
  /** How often it has come up, if the caller counts; otherwise it is counted here. */
  readonly count?: number
}

export type Unstamped =
  | { readonly _tag: "Raise"; readonly raise: Raise }
  | { readonly _tag: "Settle"; readonly id: string }
  | { readonly _tag: "Mute"; readonly id: string; readonly reason: string; readonly until: number }
  | { readonly _tag: "Unmute"; readonly id: string }
  | { readonly _tag: "Read" }
export type Command = Unstamped & { readonly now: number }

// ------------------------------------------------------------------- state

export interface State {
  /** What was raised last; null: nothing was. */
  readonly raised: Omit<Extract<Stored, { readonly _tag: "AttentionRaised" }>, "_tag"> | null
  readonly open: boolean
  readonly muted: { readonly reason: string; readonly until: number } | null
}

export const initial: State = { raised: null, open: false, muted: null }

export const decide = (command: Command, state: State): Result.Result<ReadonlyArray<Event>, never> => {
  const { now: at } = command
  switch (command._tag) {
    case "Raise": {
      const before = state.raised?.count ?? 0
      const { count: counted, severity, ...raise } = command.raise
      const count = Math.max(counted ?? (state.open ? before : before + 1), 1)
      const event = { ...raise, count, severity: escalated(severity, count) }
      if (state.open && isSame(event, state.raised)) return nothing
      return Result.succeed([{ _tag: "AttentionRaised", ...event, at }])
    }
    case "Settle":
      return state.open ? Result.succeed([{ _tag: "AttentionSettled", id: command.id, at }]) : nothing
    case "Mute": {
      const { id, reason, until } = command
      if (state.muted?.reason === reason && state.muted.until === until) return nothing
      return Result.succeed([{ _tag: "AttentionMuted", id, reason, until, at }])
    }
    case "Unmute":
      return state.muted === null ? nothing : Result.succeed([{ _tag: "AttentionUnmuted", id: command.id, at }])
    case "Read":
      return nothing
  }
}

export const evolve = (state: State, event: Event): State => {
  switch (event._tag) {
    case "AttentionRaised": {
      const { _tag, at: _at, ...raised } = event
      return { ...state, raised, open: true }
    }
    case "AttentionSettled":
      return { ...state, open: false }
    case "AttentionMuted":
      return { ...state, muted: { reason: event.reason, until: event.until } }
    case "AttentionUnmuted":
      return { ...state, muted: null }
  }
}

export const decider: Decider<State, Command, Event, never> = { initial, decide, evolve }

const fields = ["kind", "reasonCode", "message", "severity", "assetId", "partitionKey", "count"] as const

const isSame = (left: NonNullable<State["raised"]>, right: State["raised"]): boolean =>
  right !== null && fields.every((field) => left[field] === right[field])
