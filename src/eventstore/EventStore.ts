import { type Array as Arr, Context, type Effect, Schema, type Scope, type Stream } from "effect"

/**
 * A place in the whole log: fixed-width text of (epoch, transaction id, global position) that sorts in log order.
 * Users take it as it was given. The first and the last are signed in the database: what they cannot hold is no place.
 */
export const Position = Schema.String.check(Schema.isPattern(/^[0-7][0-9a-f]{7}-[0-9a-f]{16}-[0-7][0-9a-f]{15}$/)).pipe(
  Schema.brand("Position")
)
export type Position = typeof Position.Type

/** Who caused an event, and in which conversation. Absent fields are not stored (`EventCodec.metadataText`). */
export interface Metadata {
  /** Id of the command from outside (derived from principal, route and Idempotency-Key); on its first event only. */
  readonly commandId?: string
  /** SHA-256 of the request's body, so that the same key with another body is refused. */
  readonly requestHash?: string
  readonly correlationId?: string
  readonly causationId?: string
  readonly principal?: string
  /** W3C trace context. */
  readonly traceparent?: string
  /** Why, in the words of who asked, where the event itself has no field for it. */
  readonly reason?: string
}

/** An event on its way into the log. `payload` is the JSON text that is stored byte for byte. */
export interface NewEvent {
  readonly type: string
  readonly schemaVersion: number
  readonly payload: string
  readonly metadata: Metadata
  /** Time of the decision by the writer's clock, epoch ms; part of the hash. */
  readonly recordedAt: number
  /** The chain's hash after this event, lower-case hex of SHA-256 (`HashChain.link`). */
  readonly hash: string
}

export interface RecordedEvent extends NewEvent {
  readonly streamName: string
  /** Count of events in the stream up to and including this one: the first is 1. */
  readonly streamVersion: number
  readonly position: Position
  /** SHA-256 of the payload as it was written, where it was redacted since (`Redaction.ts`); else absent. */
  readonly payloadHash?: string
}

/** All of `events` or none are appended to one stream. */
export interface Append {
  /** `<category>-<id>`; the category is the text before the first `-`. */
  readonly streamName: string
  /** The stream's length that the decision was made on; 0 demands that the stream does not exist yet. */
  readonly expectedVersion: number
  readonly events: Arr.NonEmptyReadonlyArray<NewEvent>
  /** When somebody must look at this actor if it is not resident, epoch ms; null: nothing is owed. */
  readonly wakeAt: number | null
  /** What the actor passively waits for: stream names of recoveries, or `store:<name>`; null for nothing. */
  readonly waitsOn: ReadonlyArray<string> | null
}

export interface Appended {
  readonly streamVersion: number
  /** Of the last event of the append. */
  readonly position: Position
}

/**
 * The stream is not at `expectedVersion`: reload it and decide again.
 *
 * It carries no actual version. The loser of a race cannot read one inside its own statement, and a guess would be
 * worse than none.
 */
export class VersionConflict extends Schema.TaggedError<VersionConflict>()("VersionConflict", {
  streamName: Schema.String,
  expectedVersion: Schema.Int
}) {}

/** The database refused this append's data (SQLSTATE 22, 23): sending it again cannot help. */
export class AppendRefused extends Schema.TaggedError<AppendRefused>()("AppendRefused", {
  streamName: Schema.String,
  sqlState: Schema.String,
  message: Schema.String
}) {}

/** A read could not be answered because the database is away. Appends never fail with it: they wait (see `append`). */
export class LogUnavailable extends Schema.TaggedError<LogUnavailable>()("LogUnavailable", {
  message: Schema.String,
  cause: Schema.Defect()
}) {}

export interface Page {
  readonly events: ReadonlyArray<RecordedEvent>
  /**
   * Go on after this; equals the `after` that was given when the log has nothing after it. With a filter a page of
   * fewer events than asked for has it at the newest event that was looked at: what the filter left out need not be
   * read again.
   */
  readonly next: Position | null
}

export class EventStore extends Context.Service<
  EventStore,
  {
    /**
     * Appends all of the events or none. While the database is away it waits and finds out by itself whether a batch
     * of unknown outcome was written; so a caller that must answer sooner sets its own time limit.
     */
    readonly append: (append: Append) => Effect.Effect<Appended, VersionConflict | AppendRefused>

    /** One stream, oldest first, after `afterVersion` (0: from the start), at most `limit` (default: all). */
    readonly read: (
      streamName: string,
      afterVersion: number,
      limit?: number
    ) => Effect.Effect<ReadonlyArray<RecordedEvent>, LogUnavailable>

    /**
     * The log in order after `after` (null: from the start), below the safe horizon, so that no event that commits
     * late is ever skipped. `category` and `types` filter.
     */
    readonly readAll: (options: {
      readonly after: Position | null
      readonly limit: number
      readonly category?: string
      readonly types?: ReadonlyArray<string>
    }) => Effect.Effect<Page, LogUnavailable>

    /** A position that every event committed before this call is at or below, and that readAll will reach. */
    readonly head: Effect.Effect<Position, LogUnavailable>

    /** The first event of the command with this id, at most 7 days old; null when there is none. */
    readonly findCommand: (commandId: string) => Effect.Effect<RecordedEvent | null, LogUnavailable>

    /**
     * Claims streams whose `wakeAt` is at most `now + horizonMs` by pushing it one lease ahead; two sweepers never
     * claim the same one. Oldest first, at most `limit`.
     */
    readonly claimDue: (options: {
      readonly now: number
      readonly horizonMs: number
      readonly leaseMs: number
      readonly limit: number
    }) => Effect.Effect<ReadonlyArray<string>, LogUnavailable>

    /** Streams that wait on `key`, in name order after `afterStream` ("" from the start), at most `limit`. */
    readonly waitingOn: (
      key: string,
      afterStream: string,
      limit: number
    ) => Effect.Effect<ReadonlyArray<string>, LogUnavailable>

    /** Every distinct `store:<name>` key that some stream waits on. */
    readonly waitedStores: Effect.Effect<ReadonlyArray<string>, LogUnavailable>

    /** Streams that wait on a stream to which nothing is owed any more (its `wakeAt` is null): lost wake-ups. */
    readonly lostWakes: (limit: number) => Effect.Effect<ReadonlyArray<string>, LogUnavailable>

    /** A tick after each append of this process, conflated: a hint to look, never the only way to learn of events. */
    readonly changes: Stream.Stream<void>

    /** Calls `wake` after each append of this process with an event of one of the types: as much a hint as `changes`. */
    readonly onAppended: (types: ReadonlyArray<string>, wake: () => void) => Effect.Effect<void, never, Scope.Scope>

    /** Whether the database answered the last time it was asked. */
    readonly available: Effect.Effect<boolean>
  }
>()("kintsugi/eventstore/EventStore") {}
