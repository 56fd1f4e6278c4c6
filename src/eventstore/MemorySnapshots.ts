import { type Context, Effect, Option } from "effect"
import type { Snapshot, Snapshots } from "./Snapshots.ts"

interface Kept extends Snapshot {
  readonly stateHash: string
}

/** Snapshots in memory, for tests: the same contract. */
export const make = (): Context.Service.Shape<typeof Snapshots> => {
  const kept = new Map<string, Kept>()
  return {
    read: (streamName, stateHash) =>
      Effect.sync(() => {
        const found = kept.get(streamName)
        if (found?.stateHash !== stateHash) return Option.none()
        const { stateHash: _, ...snapshot } = found
        return Option.some(snapshot)
      }),
    write: (streamName, stateHash, snapshot) =>
      Effect.sync(() => {
        const before = kept.get(streamName)
        if (before?.stateHash === stateHash && before.streamVersion > snapshot.streamVersion) return
        kept.set(streamName, { ...snapshot, stateHash })
      }),
    discard: (streamName, streamVersion) =>
      Effect.sync(() => {
        if (kept.get(streamName)?.streamVersion === streamVersion) kept.delete(streamName)
      })
  }
}
