import { Context, Effect, Option } from "effect"
import type { LogUnavailable } from "./EventStore.ts"

/** A state as it was after the event at `streamVersion`. */
export interface Snapshot {
  readonly streamVersion: number
  /** The chain's hash after that event: it tells whether the log still holds the history that the state came from. */
  readonly hash: string
  /** JSON text of the state (`StateCodec`). */
  readonly state: string
}

/**
 * The newest snapshot of each long stream. Disposable: whoever reads one compares it with the log and may ignore it, and
 * a log without any is only slower to read. So the default keeps none.
 */
export const Snapshots = Context.Reference<{
  /** The stream's snapshot, if it was made by this shape of the state (`StateCodec.hash`). */
  readonly read: (streamName: string, stateHash: string) => Effect.Effect<Option.Option<Snapshot>, LogUnavailable>

  /**
   * Replaces the stream's snapshot; a lower version never replaces a higher one of the same shape. One of another shape
   * is replaced by any.
   */
  readonly write: (streamName: string, stateHash: string, snapshot: Snapshot) => Effect.Effect<void, LogUnavailable>

  /** Removes a snapshot that was found to be worthless, if it is still the one at this version. */
  readonly discard: (streamName: string, streamVersion: number) => Effect.Effect<void, LogUnavailable>
}>("kintsugi/eventstore/Snapshots", {
  defaultValue: () => ({
    read: () => Effect.succeed(Option.none()),
    write: () => Effect.void,
    discard: () => Effect.void
  })
})
