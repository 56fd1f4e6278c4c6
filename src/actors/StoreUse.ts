import { Clock, Effect } from "effect"
import * as StoreMark from "../domain/StoreMark.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import { EventStore } from "../eventstore/EventStore.ts"
import * as HashChain from "../eventstore/HashChain.ts"

const codec = EventCodec.make(StoreMark.Event, {})

/** What the log says of stores that were used before: one stream a store, with one event. */
export const make = Effect.gen(function* () {
  const log = yield* EventStore
  const streamName = (store: string) => `store-${store}`

  return {
    wasUsed: (store: string) =>
      Effect.map(Effect.orDie(log.read(streamName(store), 0, 1)), (events) => events.length > 0),
    noteUsed: (store: string) =>
      Effect.gen(function* () {
        const recordedAt = yield* Clock.currentTimeMillis
        const stored = codec.encode({ _tag: "StoreMarked", store })
        const hash = HashChain.link(HashChain.genesis, { streamVersion: 1, ...stored, recordedAt, metadata: "" })
        yield* log.append({
          streamName: streamName(store),
          expectedVersion: 0,
          events: [{ ...stored, metadata: {}, recordedAt, hash }],
          wakeAt: null,
          waitsOn: null
        })
      }).pipe(
        // Noted already, by a process that died between the marker and this.
        Effect.catchTag("VersionConflict", () => Effect.void),
        Effect.orDie
      )
  }
})
