import { Clock, Deferred, Duration, Effect, Latch, Queue, RcMap, Result, Stream, type Scope } from "effect"
import { isRedaction } from "../domain/Redaction.ts"
import { type EventFilter, isWanted } from "../eventstore/EventFilter.ts"
import type { EventStore, Position } from "../eventstore/EventStore.ts"
import { frame } from "./EventFrame.ts"

/** The filter as the log takes it. */
export const filterOf = ({ category, types }: EventFilter) => ({
  ...(category === undefined ? {} : { category }),
  ...(types === undefined || types.length === 0 ? {} : { types })
})

/** What a listener at some place is given: what follows it, encoded once for all who are there; null: nothing yet. */
export interface Taken {
  readonly bytes: Uint8Array | null
  /** Go on after this. */
  readonly after: Position
}

/** The end of the log under one filter, read once for all who listen. */
export interface EventTail {
  /** Ends with the next event, at the latest after a second: to be asked for before `take`, so that none is missed. */
  readonly moved: () => Effect.Effect<void>
  /** What follows `after`; `behind`: that lies further back than what is kept, so the listener reads the log itself. */
  readonly take: (after: Position) => Taken | "behind"
}

/** The tail of each filter that somebody listens with, for as long as somebody does. */
export interface EventTails {
  readonly of: (filter: EventFilter) => Effect.Effect<EventTail, never, Scope.Scope>
}

/** Events and characters that are kept for those who are a little behind. */
const keptEventsMax = 2_000
const keptCharsMax = 4 * 1024 * 1024
/** Events per read of the log. */
const pageEvents = 500
/** How long the tail waits for a hint of new events before it looks by itself: other processes write too. */
const pollMs = 1_000
/** A hint may come before the event is below the safe horizon: after one, the log is looked at this often and soon. */
const eagerLooks = 10
const eagerMs = 50
/** With many listeners the log is read less often, so that each of them gets fewer and larger messages. */
const listenersPerPaceMs = 20
const paceMsMax = 100

const encoder = new TextEncoder()

/** The tails live in the scope; all of them end when `stopped` does. */
export const make = (
  store: EventStore["Service"],
  stopped: Deferred.Deferred<void>
): Effect.Effect<EventTails, never, Scope.Scope> =>
  Effect.gen(function* () {
    const map = yield* RcMap.make({
      lookup: (key: string) => tailOf(store, JSON.parse(key) as EventFilter, stopped)
    })
    return {
      of: (filter) =>
        Effect.gen(function* () {
          const { listeners, tail } = yield* RcMap.get(map, JSON.stringify(filterOf(filter)))
          yield* Effect.acquireRelease(
            Effect.sync(() => listeners.count++),
            () => Effect.sync(() => listeners.count--)
          )
          return tail
        })
    }
  })

const tailOf = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  filter: EventFilter,
  stopped: Deferred.Deferred<void>
) {
  const listeners = { count: 0 }
  const hints = yield* Queue.sliding<void>(1)
  yield* Effect.forkScoped(Stream.runForEach(store.changes, () => Queue.offer(hints, undefined)))

  /** Everything that the filter lets through after `floor` up to `position` is kept; null: nobody has come yet. */
  let span: { readonly floor: Position; readonly position: Position } | null = null
  const begun = yield* Latch.make()
  let kept: Array<{ readonly position: Position; readonly text: string }> = []
  let keptChars = 0
  let encoded: { readonly from: Position; readonly taken: Taken } | null = null
  let signal = Deferred.makeUnsafe<void>()
  let signaledAt = 0

  const announce = Effect.gen(function* () {
    signaledAt = yield* Clock.currentTimeMillis
    const before = signal
    signal = Deferred.makeUnsafe()
    yield* Deferred.succeed(before, undefined)
  })

  const isFound = isWanted(filter)

  const take = (after: Position): Taken | "behind" => {
    if (span === null) {
      // Who comes first has read the log up to here.
      span = { floor: after, position: after }
      begun.openUnsafe()
    }
    if (after < span.floor) return "behind"
    if (after >= span.position) return { bytes: null, after }
    if (encoded?.from === after && encoded.taken.after === span.position) return encoded.taken
    let text = ""
    for (const one of kept) if (one.position > after) text += one.text
    const taken = { bytes: text === "" ? null : encoder.encode(text), after: span.position }
    // Most listeners are at the same place.
    encoded = { from: after, taken }
    return taken
  }

  const keep = (frames: typeof kept, position: Position) => {
    kept.push(...frames)
    for (const { text } of frames) keptChars += text.length
    let dropped = 0
    let floor = span!.floor
    while (kept.length - dropped > keptEventsMax || keptChars > keptCharsMax) {
      const oldest = kept[dropped]
      if (oldest === undefined) break
      floor = oldest.position
      keptChars -= oldest.text.length
      dropped++
    }
    if (dropped > 0) kept = kept.slice(dropped)
    span = { floor, position }
  }

  /** A redaction: frames that are kept may have what was taken out of the log, so those who are behind read that. */
  const forget = (position: Position) => {
    kept = []
    keptChars = 0
    encoded = null
    span = { floor: position, position }
  }

  /** Whether a hint came before it was time to look anyway. */
  const hinted = (ms: number) =>
    Effect.map(Effect.timeoutOption(Queue.take(hints), Duration.millis(ms)), ({ _tag }) => _tag === "Some")

  const loop = Effect.gen(function* () {
    yield* begun.await
    let eager = 0
    while (true) {
      const { position } = span!
      // Without the filter: a redaction concerns every tail, and the end of the log is in memory.
      const page = yield* Effect.result(store.readAll({ after: position, limit: pageEvents }))
      if (Result.isSuccess(page)) {
        const { events } = page.success
        const last = events.at(-1)?.position ?? position
        const frames = events.filter(isFound).map((event) => ({ position: event.position, text: frame(event) }))
        const isRedacted = events.some(isRedaction)
        if (isRedacted) forget(last)
        else keep(frames, last)
        if (frames.length > 0 || isRedacted) {
          yield* announce
          const paceMs = Math.min(paceMsMax, Math.trunc(listeners.count / listenersPerPaceMs))
          if (paceMs > 0) yield* Effect.sleep(Duration.millis(paceMs))
          continue
        }
        if (events.length === pageEvents) continue
      }
      if ((yield* Clock.currentTimeMillis) - signaledAt >= pollMs) yield* announce
      eager = (yield* hinted(eager > 0 ? eagerMs : pollMs)) ? eagerLooks : Math.max(0, eager - 1)
    }
  })
  yield* Effect.raceFirst(loop, Deferred.await(stopped)).pipe(Effect.andThen(announce), Effect.forkScoped)

  const tail: EventTail = { take, moved: () => Deferred.await(signal) }
  return { listeners, tail }
})
