import { Effect, type Fiber, Option, Schema } from "effect"
import type { EventStore, LogUnavailable, RecordedEvent } from "../eventstore/EventStore.ts"
import type { Snapshot, Snapshots } from "../eventstore/Snapshots.ts"
import type { StateCodec } from "../eventstore/StateCodec.ts"

/** Events after which a new snapshot is written, so that an activation reads about as many. */
export const everyEvents = 200

/** A large state waits for more events than that: what is encoded and written for each of them stays below this. */
const charsPerEvent = 500

/** A state and the place in its stream to which it belongs. */
export interface Place<State> {
  readonly state: State
  readonly streamVersion: number
  /** The chain's hash after the event at that version. */
  readonly hash: string
}

/** A snapshot that the log bears out, with the events after it. */
export interface Restored<State> {
  readonly place: Place<State>
  readonly events: ReadonlyArray<RecordedEvent>
}

/** The snapshots of one actor. */
export interface SnapshotKeeper<State> {
  /** The newest snapshot that the log bears out, with at most `limit` of the events after it; null when there is none. */
  readonly restore: (limit: number) => Effect.Effect<Restored<State> | null, LogUnavailable>
  /** Tells what the log holds now. When a snapshot is due it is written by a fiber of its own. */
  readonly note: (place: Place<State>) => void
  readonly isWriting: () => boolean
  readonly close: () => void
}

/**
 * Writes at most one snapshot at a time, of the newest place that was noted. A snapshot is a help, not a duty: what goes
 * wrong with one is logged, and the actor goes on without it.
 */
export const make = <State>(options: {
  readonly streamName: string
  readonly codec: StateCodec<State>
  readonly store: EventStore["Service"]
  readonly snapshots: typeof Snapshots.Service
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  /** A write has ended. */
  readonly onWritten: () => void
}): SnapshotKeeper<State> => {
  const { codec, fork, onWritten, snapshots, store, streamName } = options
  const decode = Schema.decodeEffect(codec.schema)
  const encode = Schema.encodeEffect(codec.schema)
  let newest: Place<State> | null = null
  let writing: Fiber.Fiber<void> | null = null
  /** Version of the snapshot that is kept or was last tried: a failure is not repeated before the next is due. */
  let triedVersion = 0
  let dueEvents = everyEvents

  const discard = Effect.fnUntraced(function* ({ streamVersion }: Snapshot, why: string) {
    yield* Effect.logWarning(`the snapshot of ${streamName} at version ${streamVersion} is not used: ${why}`)
    yield* snapshots
      .discard(streamName, streamVersion)
      .pipe(Effect.catchCause((cause) => Effect.logWarning(`the snapshot of ${streamName} cannot be removed`, cause)))
    return null
  })

  const borneOut = Effect.fnUntraced(function* (limit: number) {
    triedVersion = 0
    dueEvents = everyEvents
    const found = yield* snapshots.read(streamName, codec.hash)
    if (Option.isNone(found)) return null
    const { hash, state, streamVersion } = found.value
    // With the event that the snapshot was made at: only the log can say whether it is still that one.
    const [at, ...events] = yield* store.read(streamName, streamVersion - 1, limit + 1)
    if (at === undefined) return yield* discard(found.value, "the stream is shorter")
    if (at.streamVersion !== streamVersion || at.hash !== hash) {
      return yield* discard(found.value, "the stream has another history")
    }
    const decoded = yield* Effect.result(decode(state))
    if (decoded._tag === "Failure") return yield* discard(found.value, decoded.failure.message)
    triedVersion = streamVersion
    dueEvents = dueAfter(state)
    return { place: { state: decoded.success, streamVersion, hash }, events }
  })

  const restore = (limit: number) =>
    Effect.catchDefect(borneOut(limit), (defect) =>
      Effect.as(Effect.logWarning(`the snapshot of ${streamName} cannot be read`, defect), null)
    )

  const isDue = () => newest !== null && newest.streamVersion - triedVersion >= dueEvents && codec.isKept(newest.state)

  const write = Effect.gen(function* () {
    // Those whose commands were just committed hear of it first.
    yield* Effect.yieldNow
    while (isDue()) {
      const { hash, state, streamVersion } = newest!
      triedVersion = streamVersion
      const text = yield* encode(state)
      yield* snapshots.write(streamName, codec.hash, { streamVersion, hash, state: text })
      dueEvents = dueAfter(text)
    }
  }).pipe(
    Effect.catchCause((cause) => Effect.logWarning(`a snapshot of ${streamName} was not written`, cause)),
    Effect.ensuring(
      Effect.sync(() => {
        writing = null
        onWritten()
      })
    )
  )

  return {
    restore,
    note: (place) => {
      newest = place
      if (writing === null && isDue()) writing = fork(write)
    },
    isWriting: () => writing !== null,
    close: () => writing?.interruptUnsafe()
  }
}

const dueAfter = (state: string): number => Math.max(everyEvents, Math.ceil(state.length / charsPerEvent))
