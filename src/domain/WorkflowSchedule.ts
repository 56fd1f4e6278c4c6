import { Result, Schema } from "effect"
import { type Decider, nothing } from "./Decider.ts"
import * as Occurrences from "./Occurrences.ts"
import { leaseUntil } from "./run/RunDemand.ts"

/** Missed occurrences that are made up for at once, with `catchUp`; older ones are counted as skipped. */
export const catchUpMax = 100

// ------------------------------------------------------------------ events

const Spec = Schema.Struct({
  cron: Schema.String,
  timezone: Schema.String,
  catchUp: Schema.Boolean,
  window: Schema.Literals(["current", "previous"])
})

/** Stored forever. Add a field only with a decoding default; never rename. Times are in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  /** What the newest definition says; null: it has no schedule any more. Counts from now on. */
  ScheduleSet: { workflow: Schema.String, schedule: Schema.NullOr(Spec) },
  /** Occurrences (epoch ms) whose runs are to be started. `skipped`: those that were due too and get none. */
  ScheduleOccurred: { occurrences: Schema.Array(Schema.Int), skipped: Schema.Int },
  /** The occurrence's runs are in the log; `refused`: why there is none. */
  ScheduleRunsStarted: {
    occurrence: Schema.Int,
    runIds: Schema.Array(Schema.String),
    refused: Schema.optionalKey(Schema.String)
  }
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }

// ---------------------------------------------------------------- commands

export type Unstamped =
  | { readonly _tag: "Set"; readonly workflow: string; readonly schedule: Occurrences.Spec | null }
  | { readonly _tag: "Tick" }
  | {
      readonly _tag: "Started"
      readonly occurrence: number
      readonly runIds: ReadonlyArray<string>
      readonly refused?: string | undefined
    }
  | { readonly _tag: "Read" }
export type Command = Unstamped & { readonly now: number }

// ------------------------------------------------------------------- state

/** When one workflow runs by the clock, and what of that has yet to be started. */
export interface State {
  readonly workflow: string
  readonly schedule: Occurrences.Spec | null
  /** Everything due at or before this time has been taken in, epoch ms. */
  readonly lookedAt: number
  /** Occurrences without their runs, oldest first. */
  readonly open: ReadonlyArray<number>
  readonly last: {
    readonly occurrence: number
    readonly runIds: ReadonlyArray<string>
    readonly refused?: string
  } | null
  /** The first refusal since a start, as long as none has started; `why` is that of the newest. */
  readonly refused: Refused | null
}

export interface Refused {
  readonly why: string
  /** Epoch ms. */
  readonly since: number
  /** Occurrences in a row. */
  readonly count: number
}

export const initial: State = { workflow: "", schedule: null, lookedAt: 0, open: [], last: null, refused: null }

/** The next occurrence, epoch ms; null: there is none. */
export const nextAt = ({ lookedAt, schedule }: State): number | null =>
  schedule === null ? null : (Occurrences.next(schedule, lookedAt) ?? null)

/** A schedule's state as JSON. */
export const Snapshot: Schema.Codec<State, unknown> = Schema.Struct({
  workflow: Schema.String,
  schedule: Schema.NullOr(Spec),
  lookedAt: Schema.Int,
  open: Schema.Array(Schema.Int),
  last: Schema.NullOr(
    Schema.Struct({
      occurrence: Schema.Int,
      runIds: Schema.Array(Schema.String),
      refused: Schema.optionalKey(Schema.String)
    })
  ),
  refused: Schema.NullOr(Schema.Struct({ why: Schema.String, since: Schema.Int, count: Schema.Int }))
})

// ----------------------------------------------------------------- decider

const isSame = (one: Occurrences.Spec | null, other: Occurrences.Spec | null): boolean =>
  one === null || other === null
    ? one === other
    : one.cron === other.cron &&
      one.timezone === other.timezone &&
      one.catchUp === other.catchUp &&
      one.window === other.window

export const decide = (command: Command, state: State): Result.Result<ReadonlyArray<Event>, never> => {
  const { now } = command
  switch (command._tag) {
    case "Set": {
      const { schedule, workflow } = command
      return isSame(schedule, state.schedule)
        ? nothing
        : Result.succeed([{ _tag: "ScheduleSet", workflow, schedule, at: now }])
    }
    case "Tick": {
      if (state.schedule === null) return nothing
      const { occurrences, skipped } = Occurrences.due(state.schedule, state.lookedAt, now, catchUpMax)
      if (occurrences.length === 0) return nothing
      return Result.succeed([{ _tag: "ScheduleOccurred", occurrences, skipped, at: now }])
    }
    case "Started": {
      const { occurrence, refused, runIds } = command
      if (!state.open.includes(occurrence)) return nothing
      const why = refused === undefined ? {} : { refused }
      return Result.succeed([{ _tag: "ScheduleRunsStarted", occurrence, runIds, ...why, at: now }])
    }
    case "Read":
      return nothing
  }
}

export const evolve = (state: State, event: Event): State => {
  switch (event._tag) {
    case "ScheduleSet": {
      const { at, schedule, workflow } = event
      return { ...state, workflow, schedule, lookedAt: at }
    }
    case "ScheduleOccurred": {
      const { occurrences } = event
      return {
        ...state,
        lookedAt: Math.max(state.lookedAt, ...occurrences),
        open: [...state.open, ...occurrences]
      }
    }
    case "ScheduleRunsStarted": {
      const { at, occurrence, refused, runIds } = event
      const before = state.refused
      return {
        ...state,
        open: state.open.filter((open) => open !== occurrence),
        last: { occurrence, runIds, ...(refused === undefined ? {} : { refused }) },
        refused:
          refused === undefined ? null : { why: refused, since: before?.since ?? at, count: (before?.count ?? 0) + 1 }
      }
    }
  }
}

export const decider: Decider<State, Command, Event, never> = { initial, decide, evolve }

// ------------------------------------------------------------------ demands

export type Demand =
  | { readonly _tag: "Timer"; readonly at: number }
  | { readonly _tag: "StartRuns"; readonly occurrence: number }

/** Occurrences whose runs are started at once. */
const startedAtOnce = 4

export const demands = (state: State): ReadonlyArray<Demand> => {
  const at = nextAt(state)
  const timer: ReadonlyArray<Demand> = at === null ? [] : [{ _tag: "Timer", at }]
  const open = state.open.slice(0, startedAtOnce)
  return [...open.map((occurrence): Demand => ({ _tag: "StartRuns", occurrence })), ...timer]
}

export const key = (demand: Demand): string =>
  demand._tag === "Timer" ? `timer:${demand.at}` : `start:${demand.occurrence}`

/** When somebody must look at it if it is not in memory, epoch ms; null: nothing is owed. */
export const wakeAt = (state: State, now: number): number | null =>
  state.open.length > 0 ? leaseUntil(now) : nextAt(state)
