import type { EventStore, Position } from "../../src/eventstore/EventStore.ts"

const kept = new WeakMap<EventStore["Service"], Map<string, Position | null>>()

/** Where the followers of a log in memory stand: outlives the processes of a test, as the log does. */
export const standsOf = (log: EventStore["Service"]): Map<string, Position | null> => {
  const stands = kept.get(log) ?? new Map<string, Position | null>()
  kept.set(log, stands)
  return stands
}
