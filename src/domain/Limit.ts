import { Result, Schema } from "effect"
import { type Decider, fold } from "./Decider.ts"
import * as WaitQueue from "./WaitQueue.ts"

/** How many may wait for one limit. Whoever comes later is not noted and asks again. */
export const queueLengthMax = 100_000

// ---------------------------------------------------------------- commands

export type Command = { readonly now: number } & (
  | {
      readonly _tag: "Acquire"
      readonly holder: string
      /** Lower goes first; equals go by arrival. */
      readonly priority: number
      /** How many slots there are from now on, at least 1. Counts only if the holder is new. */
      readonly capacity: number
      /** How long the slot is kept without a renewal, from its grant, ms. */
      readonly leaseMs: number
    }
  | { readonly _tag: "Renew"; readonly holder: string; readonly leaseMs: number }
  /** Gives the slot back, or the place in the queue. */
  | { readonly _tag: "Release"; readonly holder: string }
  /** Takes back the slots whose lease has ended. */
  | { readonly _tag: "Expire" }
  | { readonly _tag: "Read" }
)

// ------------------------------------------------------------------ events

/** Stored forever. Add a field only with a decoding default; never rename. Times are in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  LimitCapacityChanged: { capacity: Schema.Int },
  SlotGranted: { holder: Schema.String, /** Epoch ms. */ leaseUntil: Schema.Int },
  SlotQueued: { holder: Schema.String, priority: Schema.Int, leaseMs: Schema.Int },
  SlotRenewed: { holder: Schema.String, leaseUntil: Schema.Int },
  /** `expired`: its lease had ended. */
  SlotReleased: { holder: Schema.String, expired: Schema.Boolean }
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }

// ------------------------------------------------------------------- state

export interface State {
  readonly capacity: number
  /** Who has a slot, in the order of the grants. */
  readonly holders: ReadonlyArray<{ readonly holder: string; readonly leaseUntil: number }>
  readonly queue: WaitQueue.WaitQueue
  /** How many were ever queued: the next one's arrival. */
  readonly arrivals: number
}

export const initial: State = { capacity: 0, holders: [], queue: WaitQueue.empty, arrivals: 0 }

/** Whether the holder has a slot. */
export const holds = (state: State, holder: string): boolean => state.holders.some((slot) => slot.holder === holder)

/** When the first lease ends, epoch ms; null: nobody has a slot. */
export const nextExpiry = (state: State): number | null =>
  state.holders.reduce<number | null>(
    (earliest, { leaseUntil }) => (earliest === null || leaseUntil < earliest ? leaseUntil : earliest),
    null
  )

// ----------------------------------------------------------------- decider

type Decision = Result.Result<ReadonlyArray<Event>, never>

/** Adds a grant for each free slot that somebody waits for: no slot is ever left free while one waits. */
const thenGrant = (state: State, events: ReadonlyArray<Event>, now: number): ReadonlyArray<Event> => {
  const granted: Array<Event> = [...events]
  let next = fold(decider, state, events)
  while (next.holders.length < next.capacity) {
    const entry = WaitQueue.first(next.queue)
    if (entry === undefined) break
    const grant: Event = { _tag: "SlotGranted", holder: entry.holder, leaseUntil: now + entry.leaseMs, at: now }
    granted.push(grant)
    next = evolve(next, grant)
  }
  return granted
}

const acquire = (command: Command & { readonly _tag: "Acquire" }, state: State): ReadonlyArray<Event> => {
  const { capacity, holder, leaseMs, now, priority } = command
  if (holds(state, holder) || WaitQueue.has(state.queue, holder)) return []
  if (WaitQueue.size(state.queue) >= queueLengthMax) return []
  const changed: ReadonlyArray<Event> =
    capacity === state.capacity ? [] : [{ _tag: "LimitCapacityChanged", capacity, at: now }]
  const isFree = WaitQueue.size(state.queue) === 0 && state.holders.length < capacity
  const asked: Event = isFree
    ? { _tag: "SlotGranted", holder, leaseUntil: now + leaseMs, at: now }
    : { _tag: "SlotQueued", holder, priority, leaseMs, at: now }
  return thenGrant(state, [...changed, asked], now)
}

const renew = (command: Command & { readonly _tag: "Renew" }, state: State): ReadonlyArray<Event> => {
  const { holder, leaseMs, now } = command
  const slot = state.holders.find((candidate) => candidate.holder === holder)
  const leaseUntil = now + leaseMs
  return slot === undefined || leaseUntil <= slot.leaseUntil
    ? []
    : [{ _tag: "SlotRenewed", holder, leaseUntil, at: now }]
}

const release = (holder: string, state: State, now: number): ReadonlyArray<Event> =>
  holds(state, holder) || WaitQueue.has(state.queue, holder)
    ? thenGrant(state, [{ _tag: "SlotReleased", holder, expired: false, at: now }], now)
    : []

const expire = (state: State, now: number): ReadonlyArray<Event> => {
  const ended = state.holders.filter(({ leaseUntil }) => leaseUntil <= now)
  if (ended.length === 0) return []
  return thenGrant(
    state,
    ended.map(({ holder }) => ({ _tag: "SlotReleased", holder, expired: true, at: now })),
    now
  )
}

export const decide = (command: Command, state: State): Decision => {
  switch (command._tag) {
    case "Acquire":
      return Result.succeed(acquire(command, state))
    case "Renew":
      return Result.succeed(renew(command, state))
    case "Release":
      return Result.succeed(release(command.holder, state, command.now))
    case "Expire":
      return Result.succeed(expire(state, command.now))
    case "Read":
      return Result.succeed([])
  }
}

export const evolve = (state: State, event: Event): State => {
  switch (event._tag) {
    case "LimitCapacityChanged":
      return { ...state, capacity: event.capacity }
    case "SlotGranted": {
      const { holder, leaseUntil } = event
      return {
        ...state,
        holders: [...state.holders, { holder, leaseUntil }],
        queue: WaitQueue.remove(state.queue, holder)
      }
    }
    case "SlotQueued": {
      const { holder, leaseMs, priority } = event
      const queue = WaitQueue.add(state.queue, { holder, priority, leaseMs, arrival: state.arrivals })
      return { ...state, queue, arrivals: state.arrivals + 1 }
    }
    case "SlotRenewed": {
      const { holder, leaseUntil } = event
      return {
        ...state,
        holders: state.holders.map((slot) => (slot.holder === holder ? { holder, leaseUntil } : slot))
      }
    }
    case "SlotReleased":
      return {
        ...state,
        holders: state.holders.filter(({ holder }) => holder !== event.holder),
        queue: WaitQueue.remove(state.queue, event.holder)
      }
  }
}

export const decider: Decider<State, Command, Event, never> = { initial, decide, evolve }
