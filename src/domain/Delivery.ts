import { Result, Schema } from "effect"
import { type Decider, nothing } from "./Decider.ts"

// ------------------------------------------------------------------ events

/** Stored forever. Add a field only with a decoding default; never rename. Times are in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  /** Somebody wants a dead letter of a channel to be sent once more. */
  NotificationDeliveryRetried: { deliveryId: Schema.String, channel: Schema.String }
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }

// ---------------------------------------------------------------- commands

export type Unstamped =
  | { readonly _tag: "Retry"; readonly deliveryId: string; readonly channel: string }
  | { readonly _tag: "Read" }
export type Command = Unstamped & { readonly now: number }

// ------------------------------------------------------------------- state

/** What was asked for of one message on its way out by one channel; how it fares is in no stream. */
export interface State {
  readonly retries: number
}

export const initial: State = { retries: 0 }

export const decide = (command: Command): Result.Result<ReadonlyArray<Event>, never> => {
  if (command._tag === "Read") return nothing
  const { channel, deliveryId, now: at } = command
  return Result.succeed([{ _tag: "NotificationDeliveryRetried", deliveryId, channel, at }])
}

export const evolve = ({ retries }: State, _event: Event): State => ({ retries: retries + 1 })

export const decider: Decider<State, Command, Event, never> = { initial, decide, evolve }
