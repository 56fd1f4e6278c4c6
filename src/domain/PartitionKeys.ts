import { HashMap, Option, Result, Schema } from "effect"
import type { Decider } from "./Decider.ts"
import * as Id from "./Id.ts"

/** The id of the actor of one dynamic asset's keys. */
export const idOf = (assetId: string): string => Id.ofParts(Id.assetKey(assetId))

const dayMs = 86_400_000
const dayOf = (at: number): number => Math.floor(at / dayMs)

/** Keys that one event holds at most. */
const keysMax = 1_000

// ------------------------------------------------------------------ events

/** Stored forever. Add a field only with a decoding default; never rename. Times are in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  /** The key is a partition, or is still used: at most once a day a key. */
  PartitionKeyAdmitted: { assetId: Schema.String, partitionKey: Schema.String },
  /** What was produced before its keys were counted. */
  PartitionKeysTakenOver: { assetId: Schema.String, keys: Schema.Array(Schema.String) },
  /** How long a key outlives its last production, days; null: for ever. */
  PartitionRetentionSet: { assetId: Schema.String, retentionDays: Schema.NullOr(Schema.Int) },
  /** Nothing was produced for these keys for longer than the retention: they are no partitions any more. */
  PartitionKeysRetired: { assetId: Schema.String, keys: Schema.Array(Schema.String) }
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }

// ---------------------------------------------------------------- commands

export type Unstamped =
  | {
      readonly _tag: "Admit"
      readonly assetId: string
      readonly partitionKey: string
      readonly maxKeys: number | undefined
      readonly retentionDays: number | undefined
      /** Everything that was produced of the asset: for the very first key. */
      readonly takenOver?: ReadonlyArray<string> | undefined
    }
  /** The time has come at which a key may be retired; `retentionDays` as it is declared now. */
  | { readonly _tag: "Retire"; readonly retentionDays: number | undefined }
  | { readonly _tag: "Read" }
export type Command = Unstamped & { readonly now: number }

/** The asset has as many keys as it may. */
export class TooManyKeys extends Schema.TaggedError<TooManyKeys>()("TooManyKeys", { maxKeys: Schema.Int }) {}

// ------------------------------------------------------------------- state

/** A key as it was first written, and the day of its last known production, in days since 1970-01-01 UTC. */
export interface Known {
  readonly key: string
  readonly day: number
}

export interface State {
  /** "" until the first key. */
  readonly assetId: string
  readonly retentionDays: number | null
  /** By the key without case. */
  readonly keys: HashMap.HashMap<string, Known>
  /** How many keys each day has. */
  readonly days: ReadonlyMap<number, number>
}

export const initial: State = { assetId: "", retentionDays: null, keys: HashMap.empty(), days: new Map() }

/** When the oldest key is to be retired, epoch ms; null: never. */
export const retiresAt = ({ days, retentionDays }: State): number | null => {
  if (retentionDays === null || days.size === 0) return null
  let oldest = Number.POSITIVE_INFINITY
  for (const day of days.keys()) oldest = Math.min(oldest, day)
  return endOf(oldest, retentionDays)
}

/** Productions of one day are noted once: a key's last one may have been as late as the end of its day. */
const endOf = (day: number, retentionDays: number): number => (day + 1 + retentionDays) * dayMs

/** Whether an admission now would change nothing. */
export const isCurrent = (state: State, key: string, retentionDays: number | undefined, now: number): boolean =>
  state.assetId !== "" &&
  state.retentionDays === (retentionDays ?? null) &&
  Option.exists(HashMap.get(state.keys, Id.partitionKey(key)), ({ day }) => day === dayOf(now))

// ----------------------------------------------------------------- decider

const retentionSet = (
  state: State,
  assetId: string,
  declared: number | undefined,
  at: number
): ReadonlyArray<Event> => {
  const retentionDays = declared ?? null
  return state.retentionDays === retentionDays ? [] : [{ _tag: "PartitionRetentionSet", assetId, retentionDays, at }]
}

const chunked = (keys: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> =>
  Array.from({ length: Math.ceil(keys.length / keysMax) }, (_, index) =>
    keys.slice(index * keysMax, (index + 1) * keysMax)
  )

const retired = (state: State, now: number): ReadonlyArray<Event> => {
  const { assetId, retentionDays } = state
  const due = retiresAt(state)
  if (retentionDays === null || due === null || due > now) return []
  const keys: Array<string> = []
  for (const { day, key } of HashMap.values(state.keys)) if (endOf(day, retentionDays) <= now) keys.push(key)
  return chunked(keys.sort()).map((some) => ({ _tag: "PartitionKeysRetired", assetId, keys: some, at: now }))
}

const admit = (
  command: Command & { readonly _tag: "Admit" },
  state: State
): Result.Result<ReadonlyArray<Event>, TooManyKeys> => {
  const { maxKeys, now: at, partitionKey, retentionDays, takenOver = [] } = command
  const assetId = state.assetId === "" ? command.assetId : state.assetId
  if (isCurrent(state, partitionKey, retentionDays, at)) return Result.succeed([])
  const events: Array<Event> = []
  if (state.assetId === "") {
    for (const keys of chunked(takenOver)) events.push({ _tag: "PartitionKeysTakenOver", assetId, keys, at })
  }
  events.push(...retentionSet(state, assetId, retentionDays, at))
  let next = events.reduce(evolve, { ...state, assetId })
  if (maxKeys !== undefined && !HashMap.has(next.keys, Id.partitionKey(partitionKey))) {
    // Keys that are over do not count, whether or not their time was noticed.
    if (HashMap.size(next.keys) >= maxKeys) {
      const over = retired(next, at)
      events.push(...over)
      next = over.reduce(evolve, next)
    }
    if (HashMap.size(next.keys) >= maxKeys) return Result.fail(new TooManyKeys({ maxKeys }))
  }
  return Result.succeed([...events, { _tag: "PartitionKeyAdmitted", assetId, partitionKey, at }])
}

export const decide = (command: Command, state: State): Result.Result<ReadonlyArray<Event>, TooManyKeys> => {
  switch (command._tag) {
    case "Admit":
      return admit(command, state)
    case "Retire": {
      if (state.assetId === "") return Result.succeed([])
      const set = retentionSet(state, state.assetId, command.retentionDays, command.now)
      return Result.succeed([...set, ...retired(set.reduce(evolve, state), command.now)])
    }
    case "Read":
      return Result.succeed([])
  }
}

/** `change` is added to the number of the day's keys. */
const counted = (days: Map<number, number>, day: number, change: 1 | -1) => {
  const count = (days.get(day) ?? 0) + change
  if (count === 0) days.delete(day)
  else days.set(day, count)
}

const used = (state: State, keys: ReadonlyArray<string>, day: number): State => {
  const days = new Map(state.days)
  let all = state.keys
  for (const key of keys) {
    const id = Id.partitionKey(key)
    const before = Option.getOrUndefined(HashMap.get(all, id))
    if (before !== undefined) counted(days, before.day, -1)
    counted(days, day, 1)
    all = HashMap.set(all, id, { key: before?.key ?? key, day })
  }
  return { ...state, keys: all, days }
}

const without = (state: State, keys: ReadonlyArray<string>): State => {
  const days = new Map(state.days)
  let all = state.keys
  for (const key of keys) {
    const id = Id.partitionKey(key)
    const before = Option.getOrUndefined(HashMap.get(all, id))
    if (before !== undefined) counted(days, before.day, -1)
    all = HashMap.remove(all, id)
  }
  return { ...state, keys: all, days }
}

export const evolve = (state: State, event: Event): State => {
  const named = { ...state, assetId: event.assetId }
  switch (event._tag) {
    case "PartitionKeyAdmitted":
      return used(named, [event.partitionKey], dayOf(event.at))
    case "PartitionKeysTakenOver":
      return used(named, event.keys, dayOf(event.at))
    case "PartitionRetentionSet":
      return { ...named, retentionDays: event.retentionDays }
    case "PartitionKeysRetired":
      return without(named, event.keys)
  }
}

export const decider: Decider<State, Command, Event, TooManyKeys> = { initial, decide, evolve }
