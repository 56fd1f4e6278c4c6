import * as HashChain from "../../src/eventstore/HashChain.ts"
import { metadataText } from "../../src/eventstore/EventCodec.ts"
import type { Append, Metadata, NewEvent } from "../../src/eventstore/EventStore.ts"

export interface EventSpec {
  readonly type?: string
  readonly payload?: string
  readonly metadata?: Metadata
  readonly recordedAt?: number
}

export interface AppendSpec extends Partial<Omit<Append, "events">> {
  readonly streamName: string
  /** Hash of the stream's last event; default: its start. */
  readonly after?: string
  readonly events?: ReadonlyArray<EventSpec>
}

/** An append whose chain is right: one event unless told otherwise. */
export const appendOf = (spec: AppendSpec): Append => {
  const { after, events = [{}], expectedVersion = 0, streamName, waitsOn = null, wakeAt = null } = spec
  let previous = after ?? HashChain.genesis
  const linked = events.map((event, index): NewEvent => {
    const { metadata = {}, payload = `{"nth":${expectedVersion + index + 1}}`, recordedAt = 1_790_000_000_000 } = event
    const stored = { type: event.type ?? "Happened", schemaVersion: 1, payload, recordedAt }
    const streamVersion = expectedVersion + index + 1
    previous = HashChain.link(previous, { ...stored, streamVersion, metadata: metadataText(metadata) })
    return { ...stored, metadata, hash: previous }
  })
  const [first, ...rest] = linked
  return { streamName, expectedVersion, events: [first!, ...rest], wakeAt, waitsOn }
}

/** The hash at the end of an append, for the next one. */
export const lastHash = ({ events }: Append): string => events[events.length - 1]!.hash
