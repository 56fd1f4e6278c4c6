import { Clock, Deferred, Duration, Effect, Option, Queue, Result, Stream } from "effect"
import { EventStore, type LogUnavailable, type Page, type Position } from "../eventstore/EventStore.ts"
import { lineOf } from "./EventLine.ts"
import { viewOf } from "./EventShape.ts"

export interface EventFilter {
  readonly category?: string | undefined
  readonly types?: ReadonlyArray<string> | undefined
}

/** Events per read of the log: a slow client makes the server hold one page, never more. */
const pageEvents = 500
/** An export reads pages of about this much text, between these bounds: large ones cost less an event. */
const pageCharsWanted = 1024 * 1024
const pageEventsMin = 50
const pageEventsMax = 4_000
const heartbeatMs = 15_000
/** How long a stream waits for a hint of new events before it looks by itself: other processes write too. */
const pollMs = 1_000
/** A hint may come before the event is below the safe horizon: after one, the log is looked at this often and soon. */
const eagerLooks = 10
const eagerMs = 50

const encoder = new TextEncoder()

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
 * client: nothing is read for one that does not take what it has, and nothing is skipped for it either. While the log
 * is away the stream stays and goes on afterwards.
 */
export const serverSent = Effect.fnUntraced(function* (
  after: Position,
  filter: EventFilter,
  stopped: Deferred.Deferred<void>
) {
  const store = yield* EventStore
  const hints = yield* Queue.sliding<void>(1)
  yield* Effect.forkScoped(Stream.runForEach(store.changes, () => Queue.offer(hints, undefined)))
  /** Whether a hint came before it was time to look anyway. */
  const waitForMore = (ms: number) =>
    Queue.take(hints).pipe(
      Effect.timeoutOption(Duration.millis(ms)),
      Effect.map(Option.isSome),
      Effect.raceFirst(Effect.as(Deferred.await(stopped), false))
    )

  interface Cursor {
    readonly after: Position
    readonly spokeAt: number
    /** Looks that are still to come soon. */
    readonly eager: number
  }
  const next = ({ after, eager, spokeAt }: Cursor): Effect.Effect<readonly [ReadonlyArray<string>, Cursor]> =>
    Effect.gen(function* () {
      const page = yield* Effect.result(store.readAll({ after, limit: pageEvents, ...filterOf(filter) }))
      const now = yield* Clock.currentTimeMillis
      if (Result.isSuccess(page) && page.success.events.length > 0) {
        const { events, next } = page.success
        return [events.map(frame), { after: next ?? after, spokeAt: now, eager }]
      }
      // What a filter left out need not be looked at again.
      const from = Result.isSuccess(page) ? (page.success.next ?? after) : after
      if (now - spokeAt >= heartbeatMs) return [[": heartbeat\n\n"], { after: from, spokeAt: now, eager }]
      const hinted = yield* waitForMore(eager > 0 ? eagerMs : pollMs)
      return [[], { after: from, spokeAt, eager: hinted ? eagerLooks : Math.max(0, eager - 1) }]
    })

  const startedAt = yield* Clock.currentTimeMillis
  const frames = Stream.paginate({ after, spokeAt: startedAt, eager: 0 }, (cursor: Cursor) =>
    Effect.flatMap(Deferred.isDone(stopped), (ended) =>
      ended
        ? Effect.succeed([[], Option.none<Cursor>()] as const)
        : Effect.map(next(cursor), ([texts, moved]) => [texts, Option.some(moved)] as const)
    )
  )
  // The first bytes go out at once, so that a client knows that it listens.
  return Stream.make("retry: 1000\n\n").pipe(Stream.concat(frames), Stream.encodeText)
})

const frame = (event: Parameters<typeof viewOf>[0]): string =>
  `id: ${event.position}\nevent: ${event.type}\ndata: ${JSON.stringify(viewOf(event))}\n\n`

const filterOf = ({ category, types }: EventFilter) => ({
  ...(category === undefined ? {} : { category }),
  ...(types === undefined || types.length === 0 ? {} : { types })
})
