import { Schema } from "effect"
import type { Metadata, RecordedEvent } from "./EventStore.ts"

/** A stored event of a (type, schema version) that this program does not know. */
export class UndecodableEvent extends Schema.TaggedError<UndecodableEvent>()("UndecodableEvent", {
  streamName: Schema.String,
  streamVersion: Schema.Int,
  type: Schema.String,
  schemaVersion: Schema.Int,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `event ${this.type} (schema version ${this.schemaVersion}) of ${this.streamName} at version ${this.streamVersion} cannot be decoded: ${String(this.cause)}`
  }
}

/** Old shapes of each event type, oldest first: the schema version is the index plus one. They decode to the newest. */
export type Retired<Event> = { readonly [type: string]: ReadonlyArray<Schema.Decoder<Event>> }

interface Tagged {
  readonly _tag: string
}

/** Whether a JSON text holds a NUL character, which Postgres keeps in no text. */
export const holdsNul = (json: string): boolean => json.includes("\\u0000") && /(?<!\\)(\\\\)*\\u0000/.test(json)

/** Metadata as it is stored and hashed: compact JSON of the present fields in a fixed order; "" when there are none. */
export const metadataText = (metadata: Metadata): string => {
  const { causationId, commandId, correlationId, principal, reason, requestHash, traceparent } = metadata
  const text = JSON.stringify({ commandId, requestHash, correlationId, causationId, principal, traceparent, reason })
  return text === "{}" ? "" : text
}

/** The fields that metadata can have. */
export const metadataKeys: ReadonlySet<string> = new Set<keyof Metadata>([
  ...(["commandId", "requestHash", "correlationId"] as const),
  ...(["causationId", "principal", "traceparent", "reason"] as const)
])

/** The metadata that `metadataText` wrote. */
export const metadataOf = (text: string | null): Metadata =>
  text === null || text === "" ? {} : (JSON.parse(text) as Metadata)

/**
 * Codec of one category's events. The payload is the event without `_tag` (which is the stored type) and without `at`
 * (which is the envelope's time). The newest version is always written; older ones are upcast when read.
 */
export const make = <Event extends Tagged>(
  union: Schema.Decoder<Event> & { readonly cases: { readonly [tag: string]: Schema.Top } },
  retired: Retired<Event>
) => {
  const decoders = new Map<string, (input: unknown) => Event>()
  for (const [tag, schema] of Object.entries(union.cases)) {
    const old = retired[tag] ?? []
    for (const [index, upcast] of old.entries()) decoders.set(`${tag}@${index + 1}`, Schema.decodeUnknownSync(upcast))
    decoders.set(`${tag}@${old.length + 1}`, Schema.decodeUnknownSync(schema as unknown as Schema.Decoder<Event>))
  }

  const encode = (event: Event) => {
    const { _tag: type, at: _at, ...fields } = event as Event & { readonly at?: number }
    const payload = JSON.stringify(fields)
    // Postgres cannot keep a NUL in text, and a silent change of the bytes would break the hash.
    if (holdsNul(payload)) {
      throw new Error(`event ${type} holds a NUL character, which cannot be stored`)
    }
    return { type, schemaVersion: (retired[type]?.length ?? 0) + 1, payload }
  }

  const decode = (recorded: RecordedEvent): Event => {
    const { payload, schemaVersion, streamName, streamVersion, type } = recorded
    const decoder = decoders.get(`${type}@${schemaVersion}`)
    const undecodable = (cause: unknown) =>
      new UndecodableEvent({ streamName, streamVersion, type, schemaVersion, cause })
    if (decoder === undefined) throw undecodable("unknown type or version")
    try {
      return decoder({ _tag: type, ...(JSON.parse(payload) as object) })
    } catch (cause) {
      throw undecodable(cause)
    }
  }

  return { encode, decode }
}
