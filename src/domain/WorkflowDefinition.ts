import { Result, Schema } from "effect"
import type { Decider } from "./Decider.ts"
import type { JsonObject } from "./JsonBounds.ts"

export const Origin = Schema.Literals(["app", "http"])
export type Origin = typeof Origin.Type

// ---------------------------------------------------------------- commands

/** `definition`: what the user put; `hash`: of its content, so that the same content is no new version. */
export interface Define {
  readonly _tag: "Define"
  readonly slug: string
  readonly definition: JsonObject
  readonly hash: string
  readonly origin: Origin
  readonly now: number
}
export type Command = Define

// ------------------------------------------------------------------ events

/** Stored forever. Add a field only with a decoding default; never rename. The time is in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  WorkflowDefined: {
    slug: Schema.String,
    version: Schema.Int,
    definition: Schema.Record(Schema.String, Schema.Json),
    hash: Schema.String,
    origin: Origin
  }
})
export type Event = typeof Event.Type & { readonly at: number }

// -------------------------------------------------------------- rejections

/** The app module defines this slug, so nobody else may. */
export class DefinedByApp extends Schema.TaggedError<DefinedByApp>()("DefinedByApp", { slug: Schema.String }) {}
export type Rejection = DefinedByApp

// ------------------------------------------------------------------- state

/** Every version, oldest first: a run is pinned to the one that it started with. */
export interface State {
  readonly versions: ReadonlyArray<Event>
}
export const initial: State = { versions: [] }

// ----------------------------------------------------------------- decider

export const decide = (command: Command, state: State): Result.Result<ReadonlyArray<Event>, Rejection> => {
  const { definition, hash, now, origin, slug } = command
  const last = state.versions.at(-1)
  if (last?.origin === "app" && origin === "http") return Result.fail(new DefinedByApp({ slug }))
  if (last !== undefined && last.hash === hash && last.origin === origin) return Result.succeed([])
  const version = state.versions.length + 1
  return Result.succeed([{ _tag: "WorkflowDefined", slug, version, definition, hash, origin, at: now }])
}

export const evolve = (state: State, event: Event): State => ({ versions: [...state.versions, event] })

export const decider: Decider<State, Command, Event, Rejection> = { initial, decide, evolve }
