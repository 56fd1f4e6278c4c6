import { hash } from "node:crypto"
import { metadataKeys, metadataText } from "./EventCodec.ts"
import type { Position, RecordedEvent } from "./EventStore.ts"

/** The hash before a stream's first event. */
export const genesis = ""

/**
 * The chain's next hash over the stored bytes: previous hash, version, type, schema version, writer's time, the
 * SHA-256 of the payload (so that a payload can be erased later and the chain still holds) and the metadata's text.
 * Lower-case hex.
 */
export const link = (
  previous: string,
  event: {
    readonly streamVersion: number
    readonly type: string
    readonly schemaVersion: number
    readonly recordedAt: number
    readonly payload: string
    /** Of the payload as it was written, where it was redacted since. */
    readonly payloadHash?: string | undefined
    readonly metadata: string
  }
): string => {
  const payloadHash = event.payloadHash ?? hash("sha256", event.payload)
  return hash(
    "sha256",
    `${previous}\n${event.streamVersion}\n${event.type}\n${event.schemaVersion}\n${event.recordedAt}\n${payloadHash}\n${event.metadata}`
  )
}

/** The end of a chain, or of the part of it that was read so far. */
export interface Link {
  readonly streamVersion: number
  readonly hash: string
}

/** Before a stream's first event. */
export const unread: Link = { streamVersion: 0, hash: genesis }

/** Where a chain is broken: the event at this place is not what was written, or not the next one. */
export interface Break {
  readonly streamName: string
  readonly streamVersion: number
  readonly position: Position
  /** `gap`: a version is missing or twice. `hash`: the event or the one before it was changed. */
  readonly problem: "gap" | "hash"
}

/** Checks the next event of a stream against the one before it. */
export const check = (previous: Link, event: RecordedEvent): Break | null => {
  const { position, streamName, streamVersion } = event
  const broken = (problem: Break["problem"]): Break => ({ streamName, streamVersion, position, problem })
  if (streamVersion !== previous.streamVersion + 1) return broken("gap")
  // A field that nobody writes would not show in the text.
  if (Object.keys(event.metadata).some((key) => !metadataKeys.has(key))) return broken("hash")
  const expected = link(previous.hash, { ...event, metadata: metadataText(event.metadata) })
  return event.hash === expected ? null : broken("hash")
}

/** Recomputes the chain of one stream's events, in order, and names the first bad place; null when all is well. */
export const verify = (events: Iterable<RecordedEvent>, from: Link = unread): Break | null => {
  let previous = from
  for (const event of events) {
    const broken = check(previous, event)
    if (broken !== null) return broken
    previous = event
  }
  return null
}
