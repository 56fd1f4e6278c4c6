import { type Array as Arr, Context, type Effect, Schema, type Scope } from "effect"
import type { CloudEvent } from "./CloudEvent.ts"

/**
 * The bus did not take the events, or nobody knows whether it did: publish the same ones again. The checkpoint of
 * whoever publishes stays where it is until then, so an outage of any length loses nothing.
 */
export class BusUnavailable extends Schema.TaggedError<BusUnavailable>()("BusUnavailable", {
  message: Schema.String,
  cause: Schema.Defect()
}) {}

/** A handler's answer to an event that no other try could help: it becomes a dead letter. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", {
  reason: Schema.String,
  /** The field that is wrong; "" for the whole event. */
  path: Schema.String
}) {
  override get message(): string {
    return this.path === "" ? this.reason : `${this.path}: ${this.reason}`
  }
}

/** A handler's answer when what it needs is away: the event is handled again, with back-off, until it succeeds. */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {
  message: Schema.String,
  cause: Schema.Defect()
}) {}

/** An event that a group could not handle, as it was received, and why. */
export interface DeadLetter {
  readonly group: string
  /** The text on the bus; it need not be JSON. */
  readonly event: string
  readonly reason: string
  /** Of the first fault; "" for the whole event. */
  readonly path: string
  /** When it was put aside, epoch ms. */
  readonly at: number
}

export class EventBus extends Context.Service<
  EventBus,
  {
    /**
     * Publishes in the order given. When it succeeds the events will reach every group, even if this process dies; when
     * it fails some of them may have been published, and publishing all of them again is right. Each event arrives at
     * least once and in the order of its asset; what was published twice can arrive twice, with the same `id`.
     */
    readonly publish: (events: Arr.NonEmptyReadonlyArray<CloudEvent>) => Effect.Effect<void, BusUnavailable>

    /**
     * Joins a consumer group. It comes back when the group exists, so that what is published from then on reaches it
     * (while the bus is away it waits), and handles events until the scope closes. Each event is handled by one
     * consumer of the group, at least once, in the order of its asset; different assets at the same time. One consumer
     * of a group is active, the others stand by: only so does the order hold when a consumer dies.
     *
     * An event is acknowledged when the handler has succeeded. `Unavailable` is tried again for ever, and holds back
     * only the asset's later events; `Refused`, an event that cannot be read, and a handler that dies five times on the
     * same event make a dead letter, and the rest goes on.
     */
    readonly subscribe: <R>(
      group: string,
      handler: Handler<CloudEvent, R>
    ) => Effect.Effect<void, never, R | Scope.Scope>

    /** The newest dead letters of all groups, newest first. */
    readonly deadLetters: (limit: number) => Effect.Effect<ReadonlyArray<DeadLetter>, BusUnavailable>
  }
>()("kintsugi/bus/EventBus") {}

export type Handler<A, R> = (event: A) => Effect.Effect<void, Refused | Unavailable, R>
