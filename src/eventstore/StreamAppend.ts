import { Clock, Effect } from "effect"
import { metadataText } from "./EventCodec.ts"
import type { Appended, AppendRefused, EventStore, LogUnavailable, Metadata, RecordedEvent } from "./EventStore.ts"
import * as HashChain from "./HashChain.ts"

const pageEvents = 1_000

/** The last event of a stream; null: it has none. */
export const lastOf = Effect.fnUntraced(function* (
  log: EventStore["Service"],
  streamName: string
): Effect.fn.Return<RecordedEvent | null, LogUnavailable> {
  let last: RecordedEvent | null = null
  while (true) {
    const page: ReadonlyArray<RecordedEvent> = yield* log.read(streamName, last?.streamVersion ?? 0, pageEvents)
    last = page.at(-1) ?? last
    if (page.length < pageEvents) return last
  }
})

/**
 * Appends one event to a stream that no actor owns, after what is there. Whoever else appends to it at the same time
 * comes before or after, and nothing is decided on what the stream holds.
 */
export const append = Effect.fnUntraced(function* (
  log: EventStore["Service"],
  streamName: string,
  event: { readonly type: string; readonly schemaVersion: number; readonly payload: string },
  metadata: Metadata = {}
): Effect.fn.Return<Appended, LogUnavailable | AppendRefused> {
  const recordedAt = yield* Clock.currentTimeMillis
  const once = Effect.gen(function* () {
    const { hash, streamVersion } = (yield* lastOf(log, streamName)) ?? HashChain.unread
    const link = { ...event, streamVersion: streamVersion + 1, recordedAt, metadata: metadataText(metadata) }
    return yield* log.append({
      streamName,
      expectedVersion: streamVersion,
      events: [{ ...event, metadata, recordedAt, hash: HashChain.link(hash, link) }],
      wakeAt: null,
      waitsOn: null
    })
  })
  return yield* Effect.retry(once, { while: ({ _tag }) => _tag === "VersionConflict" }).pipe(
    Effect.catchTag("VersionConflict", Effect.die)
  )
})
