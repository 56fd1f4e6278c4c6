import { Schema } from "effect"

/** The stream of what was redacted in another one. */
export const streamName = (stream: string): string => `${prefix}${stream}`
export const prefix = "redaction-"
/** Whether the event says that one of another stream was redacted. */
export const isRedaction = (event: { readonly streamName: string }): boolean => event.streamName.startsWith(prefix)

/**
 * What became of payloads that should not have been stored. Neither event holds what was taken away. Stored forever. Add
 * a field only with a decoding default; never rename.
 */
export const Event = Schema.TaggedUnion({
  /** Who and when are in the event's metadata and envelope. */
  PayloadRedacted: {
    stream: Schema.String,
    version: Schema.Int,
    type: Schema.String,
    /** JSON pointers (RFC 6901) into the payload. */
    pointers: Schema.Array(Schema.String),
    reason: Schema.String,
    /** SHA-256 of the payload as it was first written, which the chain covers; lower-case hex. */
    payloadHash: Schema.String,
    /** SHA-256 of the payload as it is from now on. */
    redactedHash: Schema.String
  },
  /** No table of ours holds the redacted values of this version any more. */
  PayloadErased: { stream: Schema.String, version: Schema.Int, projections: Schema.Array(Schema.String) }
})
export type Event = typeof Event.Type
export type Redacted = Extract<Event, { readonly _tag: "PayloadRedacted" }>

/** Redactions that were announced and not finished: whoever announced them may have been cut off. */
export const pending = (events: ReadonlyArray<Event>): ReadonlyArray<Redacted> => {
  const open = new Map<number, ReadonlyArray<Redacted>>()
  for (const event of events) {
    if (event._tag === "PayloadErased") open.delete(event.version)
    else open.set(event.version, [...(open.get(event.version) ?? []), event])
  }
  return [...open.values()].flat()
}
