import { Effect } from "effect"
import * as EventRow from "./EventRow.ts"
import type { LogUnavailable, Page, Position, RecordedEvent } from "./EventStore.ts"
import * as LogPosition from "./LogPosition.ts"
import type { Ask } from "./PgAsk.ts"
import * as SafeHorizon from "./SafeHorizon.ts"

export interface Filtered {
  readonly after: Position | null
  readonly size: number
  readonly category: string | undefined
  readonly types: ReadonlyArray<string> | undefined
}

/** Events that one statement looks at: what a filter lets through may be rare, and a statement has to end in time. */
const strideEvents = 50_000
/** A category of no more streams and events than these is read by its streams, wherever they lie in the log. */
const rareStreamsMax = 1_000
const rareEventsMax = 20_000

/**
 * A page of the log under a filter. Its end is the bound that the level was found below: of its own it could see less
 * than that, and what lies between would be passed over. A long way is looked through piece by piece, except for a
 * category that has few events at all: those are found by the names of their streams.
 */
export const page = Effect.fnUntraced(function* (
  ask: Ask,
  { after, category, size, types }: Filtered
): Effect.fn.Return<Page, LogUnavailable> {
  const wanted = types === undefined ? null : types.join(separator)
  const events: Array<RecordedEvent> = []
  let from = after
  while (true) {
    const { epoch, globalPosition, transactionId } = LogPosition.parts(from)
    const start = [epoch, transactionId, globalPosition, size - events.length]
    const { bound, far, level } = levelOf((yield* ask(readLevel, [...start.slice(0, 3), strideEvents]))[0]!)
    const isByStream = far !== null && category !== undefined && (yield* isRare(ask, category))
    const end = far === null || isByStream ? bound : far
    const rows = isByStream
      ? yield* ask(readByStream, [...start, ...rangeOf(category), wanted, ...end])
      : yield* ask(readStride, [...start, category === undefined ? null : `${category}-`, wanted, ...end])
    for (const row of rows) {
      events.push(EventRow.toEvent(row[0] as string, row.slice(1) as unknown as EventRow.Row))
    }
    if (events.length >= size || end === bound) {
      const last = events.at(-1)?.position ?? after
      // What the filter left out need not be looked at again.
      const isExhausted = events.length < size
      return { events, next: isExhausted && level !== null && (last === null || level > last) ? level : last }
    }
    // The end of a piece is the first place that was not looked at.
    from = LogPosition.of(end[0], end[1], end[2] - 1n)
  }
})

type Place = readonly [epoch: number, transactionId: string, globalPosition: bigint]

/** `bound`: nothing at or behind it is read. `level`: the newest event before it. `far`: where this piece ends, if before. */
const levelOf = (row: ReadonlyArray<unknown>) => {
  const place = (from: number) => (row[from] === null ? null : (row.slice(from, from + 3) as unknown as Place))
  const newest = place(2)
  const last = place(5)
  return {
    bound: [row[0] as number, row[1] as string, 0n] as Place,
    level: newest === null ? null : LogPosition.of(...newest),
    far: last === null ? null : ([last[0], last[1], last[2] + 1n] as Place)
  }
}

/** Whether the category has so few events that they are sorted sooner than a piece of the log is looked through. */
const isRare = (ask: Ask, category: string) =>
  Effect.map(ask(readCategory, [...rangeOf(category), rareStreamsMax + 1]), ([row]) => {
    const [streams, events] = row as unknown as readonly [number, number]
    return streams <= rareStreamsMax && events <= rareEventsMax
  })

/** Names of the category's streams lie between these; what follows "-" in the order of bytes is ".". */
const rangeOf = (category: string): readonly [string, string] => [`${category}-`, `${category}.`]

const separator = "\x1e"
const order = "epoch, e.transaction_id, e.global_position"
const after = "(e.epoch, e.transaction_id, e.global_position) > ($1::int, $2::text::xid8, $3::bigint)"

/** The bound, the newest event below it, and the last of a piece of `$4` events, if there are as many. */
const readLevel = `SELECT h.epoch, h.first_open::text, newest.*, last.*
  FROM (SELECT l.epoch, ${SafeHorizon.firstOpen} AS first_open FROM log_epoch l OFFSET 0) AS h
  LEFT JOIN LATERAL (
    SELECT e.epoch, e.transaction_id::text, e.global_position FROM events e
    WHERE (e.epoch, e.transaction_id) < (h.epoch, h.first_open)
    ORDER BY e.epoch DESC, e.transaction_id DESC, e.global_position DESC LIMIT 1
  ) AS newest ON true
  LEFT JOIN LATERAL (
    SELECT e.epoch, e.transaction_id::text, e.global_position FROM events e
    WHERE ${after} AND (e.epoch, e.transaction_id) < (h.epoch, h.first_open)
    ORDER BY e.${order} OFFSET $4::int - 1 LIMIT 1
  ) AS last ON true`

const readStride = `SELECT s.stream_name, ${EventRow.columns}
  FROM events e JOIN streams s USING (stream_id)
  WHERE ${after} AND (e.epoch, e.transaction_id, e.global_position) < ($7::int, $8::text::xid8, $9::bigint)
    AND ($5::text IS NULL OR starts_with(s.stream_name, $5::text))
    AND ($6::text IS NULL OR e.type = ANY ((SELECT string_to_array($6::text, E'${separator}'))::text[]))
  ORDER BY e.${order} LIMIT $4::int`

const readCategory = `SELECT count(*)::int, coalesce(sum(few.stream_version), 0)::float8 FROM (
    SELECT s.stream_version FROM streams s WHERE s.stream_name >= $1::text AND s.stream_name < $2::text LIMIT $3::int
  ) AS few`

/** OFFSET 0: each stream is looked up by its key before anything else is asked, or the log is walked in its order. */
const readByStream = `SELECT few.stream_name, ${EventRow.columns}
  FROM (
    SELECT s.stream_id, s.stream_name FROM streams s
    WHERE s.stream_name >= $5::text AND s.stream_name < $6::text OFFSET 0
  ) AS few
  CROSS JOIN LATERAL (
    SELECT own.* FROM events own WHERE own.stream_id = few.stream_id OFFSET 0
  ) AS e
  WHERE ${after} AND (e.epoch, e.transaction_id, e.global_position) < ($8::int, $9::text::xid8, $10::bigint)
    AND ($7::text IS NULL OR e.type = ANY ((SELECT string_to_array($7::text, E'${separator}'))::text[]))
  ORDER BY e.${order} LIMIT $4::int`
