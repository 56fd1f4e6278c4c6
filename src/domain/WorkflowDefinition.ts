import { Result, Schema } from "effect"
import type { Decider } from "./Decider.ts"
import type { JsonObject } from "./JsonBounds.ts"

/** Who put a definition: the app module at start, or a user over HTTP. */
export const Origin = Schema.Literals(["app", "http"])
export type Origin = typeof Origin.Type

// ---------------------------------------------------------------- commands

export type Command =
  | {
      readonly _tag: "Define"
      readonly slug: string
      /** What the user put; it has been parsed and checked (`Definition.source`). */
      readonly definition: JsonObject
      /** Of the definition (`Definition.contentHash`). */
      readonly hash: string
      readonly origin: Origin
      readonly now: number
    }
  /** No run of it begins a step until it is resumed. */
  | { readonly _tag: "Pause"; readonly reason: string; readonly now: number }
  | { readonly _tag: "Resume"; readonly now: number }
  | { readonly _tag: "Read"; readonly now: number }

// ------------------------------------------------------------------ events

/** Stored forever. Add a field only with a decoding default; never rename. Times are in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  WorkflowDefined: {
    slug: Schema.String,
    /** Counts from 1 without gaps. */
    version: Schema.Int,
    definition: Schema.Record(Schema.String, Schema.Json),
    contentHash: Schema.String,
    origin: Origin
  },
  /** No run of it begins a step until it is resumed; new runs are accepted and stay pending. */
  WorkflowPaused: { reason: Schema.String },
  WorkflowResumed: {}
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }
export type Defined = Extract<Event, { readonly _tag: "WorkflowDefined" }>

// -------------------------------------------------------------- rejections

/** The app module defines this workflow: it is changed there, not over HTTP. */
export class DefinedByApp extends Schema.TaggedError<DefinedByApp>()("DefinedByApp", { slug: Schema.String }) {
  override get message(): string {
    return `workflow ${this.slug} is defined by the app: change it there`
  }
}
export type Rejection = DefinedByApp

// ------------------------------------------------------------------- state

/** Every version, oldest first: a run is pinned to the one that it started with. */
export interface State {
  readonly versions: ReadonlyArray<Defined>
  readonly paused: boolean
}

export const initial: State = { versions: [], paused: false }

/** Every version as it was recorded, oldest first. */
export const versions = (state: State): ReadonlyArray<Defined> => state.versions

/** The version that new runs get. */
export const newest = (state: State): Defined | undefined => state.versions[state.versions.length - 1]

// ----------------------------------------------------------------- decider

export const decide = (command: Command, state: State): Result.Result<ReadonlyArray<Event>, Rejection> => {
  if (command._tag === "Read") return Result.succeed([])
  if (command._tag === "Pause" || command._tag === "Resume") return Result.succeed(hold(command, state))
  const { definition, hash, now, origin, slug } = command
  const current = newest(state)
  if (current?.origin === "app" && origin === "http") return Result.fail(new DefinedByApp({ slug }))
  // An app that takes a workflow over is recorded even if nothing else changed: from then on HTTP may not change it.
  if (current?.contentHash === hash && current.origin === origin) return Result.succeed([])
  const version = (current?.version ?? 0) + 1
  return Result.succeed([{ _tag: "WorkflowDefined", slug, version, definition, contentHash: hash, origin, at: now }])
}

/** Told again it changes nothing; nor does it where nothing is defined. */
const hold = (command: Command & { readonly _tag: "Pause" | "Resume" }, state: State): ReadonlyArray<Event> => {
  if (state.versions.length === 0 || state.paused === (command._tag === "Pause")) return []
  return command._tag === "Pause"
    ? [{ _tag: "WorkflowPaused", reason: command.reason, at: command.now }]
    : [{ _tag: "WorkflowResumed", at: command.now }]
}

export const evolve = (state: State, event: Event): State => {
  switch (event._tag) {
    case "WorkflowDefined":
      return { ...state, versions: [...state.versions, event] }
    case "WorkflowPaused":
      return { ...state, paused: true }
    case "WorkflowResumed":
      return { ...state, paused: false }
  }
}

export const decider: Decider<State, Command, Event, Rejection> = { initial, decide, evolve }
