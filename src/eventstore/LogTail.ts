import { Clock, Deferred, Duration, Effect, Exit, Latch, type Scope } from "effect"
import { isRedaction } from "../domain/Redaction.ts"
import { type EventFilter, isWanted } from "./EventFilter.ts"
import type { LogUnavailable, Page, Position, RecordedEvent } from "./EventStore.ts"

/** What of the log a reader wants. */
export interface Wanted extends EventFilter {
  readonly after: Position | null
  readonly limit: number
}

/**
 * The end of the log in memory, read once for all readers of this process that are there: ten of them would otherwise
 * ask the database the same, each for itself, after every append.
 */
export interface LogTail {
  /** What follows `after` as of now; null: that lies further back than what is kept, so the reader reads the log itself. */
  readonly page: (wanted: Wanted) => Effect.Effect<Page | null, LogUnavailable>
  /** A reader of the log itself has come to its end: from here on it can be kept. */
  readonly begin: (level: Position) => void
  /** What is kept may be wrong now: the log was restored, or the payload of an event was redacted. */
  readonly drop: () => void
}

/** Events and characters of their payloads that are kept; a reader that is further behind reads the log itself. */
const keptEventsMax = 10_000
const keptCharsMax = 16 * 1024 * 1024
/** Events that one look takes. More than that since the last one: nobody has looked for long, and it is not caught up. */
const lookEventsMax = 5_000
/** Looks are at least this far apart, so that readers that come one after the other share one. */
const lookEveryMs = 2

/**
 * `read`: events after a position in the log's order, every one that is below the safe horizon, as `readAll` without a
 * filter. Looks are taken by a fiber of the scope; whoever comes while one is under way waits for the next, because that
 * one may have missed what the reader was told of.
 */
export const make = (
  read: (after: Position, limit: number) => Effect.Effect<ReadonlyArray<RecordedEvent>, LogUnavailable>
): Effect.Effect<LogTail, never, Scope.Scope> =>
  Effect.gen(function* () {
    /** Every event after `floor` up to `level` is in `events`; null: nothing is kept. */
    let span: { floor: Position; level: Position } | null = null
    let events: Array<RecordedEvent> = []
    let chars = 0

    const drop = () => {
      span = null
      events = []
      chars = 0
    }

    const keep = (more: ReadonlyArray<RecordedEvent>, kept: { floor: Position; level: Position }) => {
      for (const event of more) chars += event.payload.length
      events.push(...more)
      kept.level = more.at(-1)?.position ?? kept.level
      if (events.length <= keptEventsMax && chars <= keptCharsMax) return
      // Half of it at once: what is moved in memory is then little for each event.
      let dropped = 0
      while (events.length - dropped > keptEventsMax / 2 || chars > keptCharsMax / 2) {
        const oldest = events[dropped]
        if (oldest === undefined) break
        chars -= oldest.payload.length
        kept.floor = oldest.position
        dropped++
      }
      events = events.slice(dropped)
    }

    const look = Effect.gen(function* () {
      const kept = span
      if (kept === null) return
      const more = yield* read(kept.level, lookEventsMax)
      // Dropped meanwhile.
      if (span !== kept) return
      if (more.length === lookEventsMax || more.some(isRedaction)) drop()
      else keep(more, kept)
    })

    let asked: Waiter | null = null
    let waiting: Waiter | null = null
    let hasEnded = false
    const isAsked = yield* Latch.make()
    const clock = yield* Clock.Clock
    let lookedAt = Number.NEGATIVE_INFINITY
    /** Who is told may ask again within this call. */
    const tell = (exit: Exit.Exit<void, LogUnavailable>, told: ReadonlyArray<Waiter | null>) => {
      for (const one of told) if (one !== null) Deferred.doneUnsafe(one, exit)
    }
    const takeAsked = () => {
      const taken = asked
      asked = null
      isAsked.closeUnsafe()
      return taken
    }
    yield* Effect.gen(function* () {
      while (true) {
        yield* isAsked.await
        // A clock that was set back must not keep anybody waiting.
        const early = Math.min(lookEveryMs, lookedAt + lookEveryMs - clock.currentTimeMillisUnsafe())
        if (early > 0) yield* Effect.sleep(Duration.millis(early))
        waiting = takeAsked()
        lookedAt = clock.currentTimeMillisUnsafe()
        const exit = yield* Effect.exit(look)
        const told = [waiting]
        waiting = null
        if (Exit.isFailure(exit)) {
          // What comes back may be another log: one that was restored. And who has asked meanwhile has waited enough.
          drop()
          told.push(takeAsked())
        }
        tell(exit, told)
      }
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          hasEnded = true
          drop()
          // They find nothing kept, and read the log themselves.
          tell(Exit.void, [waiting, takeAsked()])
        })
      ),
      Effect.forkScoped
    )

    const looked = Effect.suspend(() => {
      const next = asked ?? Deferred.makeUnsafe<void, LogUnavailable>()
      asked = next
      // The fiber may go on within this call.
      isAsked.openUnsafe()
      return Deferred.await(next)
    })

    const page = Effect.fnUntraced(function* (wanted: Wanted) {
      const { after, limit } = wanted
      if (span === null || after === null || after < span.floor) return null
      yield* looked
      if (span === null || after < span.floor) return null
      const isFound = isWanted(wanted)
      const found: Array<RecordedEvent> = []
      for (let index = firstAfter(events, after); index < events.length && found.length < limit; index++) {
        const event = events[index]!
        if (isFound(event)) found.push(event)
      }
      const last = found.at(-1)?.position ?? after
      const isExhausted = found.length < limit
      return { events: found, next: isExhausted && span.level > last ? span.level : last }
    })

    const begin = (level: Position) => {
      if (!hasEnded) span ??= { floor: level, level }
    }
    return { page, begin, drop }
  })

type Waiter = Deferred.Deferred<void, LogUnavailable>

/** Index of the first event after the position; events are in the log's order. */
const firstAfter = (events: ReadonlyArray<RecordedEvent>, position: Position): number => {
  let from = 0
  let to = events.length
  while (from < to) {
    const middle = (from + to) >> 1
    if (events[middle]!.position > position) to = middle
    else from = middle + 1
  }
  return from
}
