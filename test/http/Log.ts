import type { Array as Arr } from "effect"
import { Effect } from "effect"
import { EventStore, type NewEvent } from "../../src/eventstore/EventStore.ts"

/** Appends events of these types to a stream, after those that it has. */
export const append = Effect.fnUntraced(function* (streamName: string, ...types: Arr.NonEmptyReadonlyArray<string>) {
  const store = yield* EventStore
  const before = yield* store.read(streamName, 0)
  const event = (type: string): NewEvent => ({
    type,
    schemaVersion: 1,
    payload: JSON.stringify({ note: "line\nbreak", n: 1 }),
    metadata: { principal: "admin", requestHash: "inside" },
    recordedAt: 1_767_225_600_000,
    hash: "00"
  })
  const [first, ...rest] = types
  return yield* store.append({
    streamName,
    expectedVersion: before.length,
    events: [event(first), ...rest.map(event)],
    wakeAt: null,
    waitsOn: null
  })
})
