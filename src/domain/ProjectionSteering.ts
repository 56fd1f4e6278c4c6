import { Schema } from "effect"

/** The stream of what people did to a projection. */
export const streamName = (projection: string): string => `projection-${projection}`

/** Stored forever. Add a field only with a decoding default; never rename. */
export const Event = Schema.TaggedUnion({
  /** The projection goes on without the event at `position`, at which it stood with `error`. */
  ProjectionEventSkipped: {
    projection: Schema.String,
    position: Schema.String,
    reason: Schema.String,
    error: Schema.String
  },
  ProjectionRebuildRequested: { projection: Schema.String, reason: Schema.optionalKey(Schema.String) }
})
export type Event = typeof Event.Type
