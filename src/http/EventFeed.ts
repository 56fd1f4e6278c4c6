import { Clock, Deferred, Effect, Option, Result, Stream } from "effect"
import type { EventFilter } from "../eventstore/EventFilter.ts"
import { EventStore, type LogUnavailable, type Page, type Position } from "../eventstore/EventStore.ts"
import { lineOf } from "./EventLine.ts"
import { frame } from "./EventFrame.ts"
import { type EventTail, filterOf } from "./EventTail.ts"

/** Events per read of the log: a slow client makes the server hold one page, never more. */
const pageEvents = 500
/** An export reads pages of about this much text, between these bounds: large ones cost less an event. */
const pageCharsWanted = 1024 * 1024
const pageEventsMin = 50
const pageEventsMax = 4_000
const heartbeatMs = 15_000
/** How long a stream whose log is away waits before it asks again. */
const retryPause = "1 second"

const encoder = new TextEncoder()
const heartbeat = encoder.encode(": heartbeat\n\n")

/**
 * The log after `after` up to its head as of now, at most `limit` events, one JSON line each. The first page is read
 * before the answer begins, so that a log that is away is a 503; one that goes away later breaks the answer off.
 */
export const lines = Effect.fnUntraced(function* (after: Position | null, filter: EventFilter, limit: number) {
  const store = yield* EventStore
  const head = yield* store.head
  const read = (from: Position | null, limit: number) =>
    Effect.map(store.readAll({ after: from, limit, ...filterOf(filter) }), (page) => ({ ...page, limit }))
  const first = yield* read(after, Math.min(pageEvents, limit))

  interface Cursor {
    readonly page: Effect.Effect<Page & { readonly limit: number }, LogUnavailable>
    readonly left: number
  }
  const begin: Cursor = { page: Effect.succeed(first), left: limit }
  return Stream.paginate(begin, (cursor) =>
    Effect.map(cursor.page, ({ events, limit, next }): readonly [ReadonlyArray<Uint8Array>, Option.Option<Cursor>] => {
      let text = ""
      let wanted = 0
      for (const event of events) {
        if (event.position > head) break
        text += lineOf(event)
        wanted++
      }
      const left = cursor.left - wanted
      const more = wanted > 0 && wanted === events.length && left > 0
      const fitting = Math.trunc((limit * pageCharsWanted) / Math.max(1, text.length))
      const size = Math.min(left, pageEventsMax, Math.max(pageEventsMin, Math.min(fitting, limit * 2)))
      return [[encoder.encode(text)], more ? Option.some({ page: read(next, size), left }) : Option.none()]
    })
  )
})

/**
 * The log after `after`, and then what is appended, as server-sent events; ends when `stopped` does. Pulled by the
 * client: nothing is read for one that does not take what it has, and nothing is skipped for it either. Who has read
 * all there is goes on with `tail`, which is read once for everybody. While the log is away the stream stays and goes
 * on afterwards.
 */
export const serverSent = Effect.fnUntraced(function* (
  after: Position,
  filter: EventFilter,
  stopped: Deferred.Deferred<void>,
  tail: EventTail
) {
  const store = yield* EventStore

  interface Cursor {
    readonly after: Position
    readonly spokeAt: number
    /** Whether all there was has been read; then what follows is taken from the tail. */
    readonly isLevel: boolean
  }
  type Step = readonly [chunks: ReadonlyArray<Uint8Array>, cursor: Cursor]
  const next = ({ after, isLevel, spokeAt }: Cursor): Effect.Effect<Step> =>
    Effect.gen(function* () {
      // Before it is asked what there is: an event in between ends the wait at once.
      const moved = tail.moved()
      const taken = isLevel ? tail.take(after) : "behind"
      const page =
        taken === "behind"
          ? yield* Effect.result(store.readAll({ after, limit: pageEvents, ...filterOf(filter) }))
          : Result.succeed({ events: [], next: taken.after })
      const now = yield* Clock.currentTimeMillis
      const from = Result.isSuccess(page) ? (page.success.next ?? after) : after
      if (taken !== "behind" && taken.bytes !== null) return [[taken.bytes], { after: from, spokeAt: now, isLevel }]
      const events = Result.isSuccess(page) ? page.success.events : []
      if (events.length > 0) {
        return [[encoder.encode(events.map(frame).join(""))], { after: from, spokeAt: now, isLevel: false }]
      }
      if (now - spokeAt >= heartbeatMs) return [[heartbeat], { after: from, spokeAt: now, isLevel }]
      // One that has just become level looks at the tail before it waits.
      if (isLevel) yield* moved
      else if (Result.isFailure(page)) yield* Effect.raceFirst(Effect.sleep(retryPause), Deferred.await(stopped))
      return [[], { after: from, spokeAt, isLevel: isLevel || Result.isSuccess(page) }]
    })

  const startedAt = yield* Clock.currentTimeMillis
  const frames = Stream.paginate({ after, spokeAt: startedAt, isLevel: false }, (cursor: Cursor) =>
    Effect.flatMap(Deferred.isDone(stopped), (ended) =>
      ended
        ? Effect.succeed([[], Option.none<Cursor>()] as const)
        : Effect.map(next(cursor), ([chunks, moved]) => [chunks, Option.some(moved)] as const)
    )
  )
  // The first bytes go out at once, so that a client knows that it listens.
  return Stream.make(encoder.encode("retry: 1000\n\n")).pipe(Stream.concat(frames))
})
