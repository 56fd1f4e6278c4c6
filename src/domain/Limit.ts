import { Result, Schema } from "effect"
import type { Decider } from "./Decider.ts"

/** Holders that may queue for one limit; more are told to ask again. */
const queuedMax = 100_000

// ---------------------------------------------------------------- commands

export type Command =
  /** Asks for a slot, or renews the lease of one that is held. `capacity`: the newest request's counts. */
  | {
      readonly _tag: "Acquire"
      readonly holder: string
      readonly priority: number
      readonly capacity: number
      readonly leaseMs: number
      readonly now: number
    }
  | { readonly _tag: "Release"; readonly holder: string; readonly now: number }
  /** Takes back the slots whose lease has run out. */
  | { readonly _tag: "Expire"; readonly now: number }

// ------------------------------------------------------------------ events

/** Stored forever. Add a field only with a decoding default; never rename. The time is in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  CapacityChanged: { capacity: Schema.Int },
  SlotQueued: { holder: Schema.String, priority: Schema.Int, leaseMs: Schema.Int },
  SlotGranted: { holder: Schema.String, leaseUntil: Schema.Int },
  SlotReleased: { holder: Schema.String }
})
export type Event = typeof Event.Type & { readonly at: number }

// ------------------------------------------------------------------- state

interface Queued {
  readonly holder: string
  readonly priority: number
  readonly leaseMs: number
}

export interface State {
  readonly capacity: number
  readonly holders: ReadonlyArray<{ readonly holder: string; readonly leaseUntil: number }>
  /** In the order of arrival. */
  readonly queue: ReadonlyArray<Queued>
}
export const initial: State = { capacity: 0, holders: [], queue: [] }

export const holds = (state: State, holder: string): boolean => state.holders.some((held) => held.holder === holder)

/** When the first lease runs out, epoch ms; null when no slot is held. */
export const nextExpiry = (state: State): number | null =>
  state.holders.reduce<number | null>(
    (earliest, { leaseUntil }) => (earliest === null || leaseUntil < earliest ? leaseUntil : earliest),
    null
  )

// ----------------------------------------------------------------- decider

/** Grants what is free, best priority first, then by arrival. */
const grants = (state: State, now: number): ReadonlyArray<Event> => {
  const free = state.capacity - state.holders.length
  if (free <= 0 || state.queue.length === 0) return []
  return state.queue
    .map((queued, order) => ({ ...queued, order }))
    .sort((left, right) => left.priority - right.priority || left.order - right.order)
    .slice(0, free)
    .map(({ holder, leaseMs }) => ({ _tag: "SlotGranted", holder, leaseUntil: now + leaseMs, at: now }))
}

const primary = (command: Command, state: State): ReadonlyArray<Event> => {
  const at = command.now
  switch (command._tag) {
    case "Acquire": {
      const { capacity, holder, leaseMs, priority } = command
      const changed: ReadonlyArray<Event> =
        capacity === state.capacity ? [] : [{ _tag: "CapacityChanged", capacity, at }]
      const known = holds(state, holder) || state.queue.some((queued) => queued.holder === holder)
      if (known || state.queue.length >= queuedMax) return changed
      return [...changed, { _tag: "SlotQueued", holder, priority, leaseMs, at }]
    }
    case "Release": {
      const { holder } = command
      const known = holds(state, holder) || state.queue.some((queued) => queued.holder === holder)
      return known ? [{ _tag: "SlotReleased", holder, at }] : []
    }
    case "Expire":
      return state.holders
        .filter(({ leaseUntil }) => leaseUntil <= at)
        .map(({ holder }) => ({ _tag: "SlotReleased", holder, at }))
  }
}

export const decide = (command: Command, state: State): Result.Result<ReadonlyArray<Event>, never> => {
  const events = primary(command, state)
  return Result.succeed([...events, ...grants(events.reduce(evolve, state), command.now)])
}

export const evolve = (state: State, event: Event): State => {
  switch (event._tag) {
    case "CapacityChanged":
      return { ...state, capacity: event.capacity }
    case "SlotQueued": {
      const { holder, leaseMs, priority } = event
      return { ...state, queue: [...state.queue, { holder, priority, leaseMs }] }
    }
    case "SlotGranted":
      return {
        ...state,
        queue: state.queue.filter(({ holder }) => holder !== event.holder),
        holders: [...state.holders, { holder: event.holder, leaseUntil: event.leaseUntil }]
      }
    case "SlotReleased":
      return {
        ...state,
        queue: state.queue.filter(({ holder }) => holder !== event.holder),
        holders: state.holders.filter(({ holder }) => holder !== event.holder)
      }
  }
}

export const decider: Decider<State, Command, Event, never> = { initial, decide, evolve }
