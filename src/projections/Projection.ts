import { type Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import type { RecordedEvent } from "../eventstore/EventStore.ts"

/**
 * An event that a projection cannot read: an unknown type of a category that it knows, or a payload that is no JSON.
 * The projection stops here; skipping it would make the read model wrong without anybody knowing.
 */
export class UndecodableEvent extends Schema.TaggedError<UndecodableEvent>()("UndecodableEvent", {
  streamName: Schema.String,
  streamVersion: Schema.Int,
  type: Schema.String,
  position: Schema.String,
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** An event as projections see it; the payload is parsed when the first of them asks for it, and once for all. */
export class LogEvent {
  readonly category: string
  /** What follows the category in the stream's name. */
  readonly id: string
  readonly recorded: RecordedEvent
  private parsed: unknown = undefined

  constructor(recorded: RecordedEvent) {
    const dash = recorded.streamName.indexOf("-")
    this.category = dash < 0 ? recorded.streamName : recorded.streamName.slice(0, dash)
    this.id = recorded.streamName.slice(dash + 1)
    this.recorded = recorded
  }

  get type(): string {
    return this.recorded.type
  }

  /** Time of the decision, epoch ms. */
  get at(): number {
    return this.recorded.recordedAt
  }

  /** The payload. Its shape is believed, not checked: the writer has checked it. Throws `UndecodableEvent`. */
  data<A>(): A {
    if (this.parsed === undefined) {
      try {
        this.parsed = JSON.parse(this.recorded.payload)
      } catch (cause) {
        throw undecodable(this, "its payload is no JSON", cause)
      }
    }
    return this.parsed as A
  }
}

/** The error to throw or to fail with at an event that a projection cannot read. */
export const undecodable = (event: LogEvent, why: string, cause?: unknown): UndecodableEvent => {
  const { position, streamName, streamVersion, type } = event.recorded
  return new UndecodableEvent({
    streamName,
    streamVersion,
    type,
    position,
    message: `event ${type} (version ${streamVersion} of ${streamName}, position ${position}): ${why}`,
    ...(cause === undefined ? {} : { cause })
  })
}

/** The error at a type that a projection does not know: written by a newer Kintsugi, or by somebody else. */
export const unknownType = (event: LogEvent): UndecodableEvent =>
  undecodable(event, `this Kintsugi knows no event type ${event.type} of ${event.category} streams`)

/** The running half of a projection: what it keeps in memory belongs to this one handler. */
export interface Handler {
  /**
   * Folds a batch, in log order and of the projection's categories only, and writes its tables with a bounded number
   * of set-based statements, inside the caller's transaction. The same events in other batches must give the same rows.
   */
  readonly handle: (
    events: ReadonlyArray<LogEvent>
  ) => Effect.Effect<void, SqlError | UndecodableEvent, SqlClient.SqlClient>
  /** Drops what is kept in memory, because the transaction was rolled back or somebody else has written the tables. */
  readonly forget: () => void
}

/**
 * A read model. The name carries the version: a changed projection is a new name with new tables, built beside the old
 * one. `tables` are its own, written by nobody else, and named in its SQL without a schema, so that a rebuild can give
 * it fresh ones (ADR 0004). They have no identity columns and no references to other tables.
 */
export interface Projection {
  readonly name: `${string}_v${number}`
  readonly categories: ReadonlyArray<string>
  readonly tables: ReadonlyArray<string>
  readonly make: () => Handler
}
