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
  }
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }

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
  readonly versions: ReadonlyArray<Event>
}

export const initial: State = { versions: [] }

/** Every version as it was recorded, oldest first. */
export const versions = (state: State): ReadonlyArray<Event> => state.versions

/** The version that new runs get. */
export const newest = (state: State): Event | undefined => state.versions[state.versions.length - 1]

// ----------------------------------------------------------------- decider

export const decide = (command: Command, state: State): Result.Result<ReadonlyArray<Event>, Rejection> => {
  if (command._tag === "Read") return Result.succeed([])
  const { definition, hash, now, origin, slug } = command
  const current = newest(state)
  if (current?.origin === "app" && origin === "http") return Result.fail(new DefinedByApp({ slug }))
  // An app that takes a workflow over is recorded even if nothing else changed: from then on HTTP may not change it.
  if (current?.contentHash === hash && current.origin === origin) return Result.succeed([])
  const version = (current?.version ?? 0) + 1
  return Result.succeed([{ _tag: "WorkflowDefined", slug, version, definition, contentHash: hash, origin, at: now }])
}

export const evolve = (state: State, event: Event): State => ({ versions: [...state.versions, event] })

export const decider: Decider<State, Command, Event, Rejection> = { initial, decide, evolve }
