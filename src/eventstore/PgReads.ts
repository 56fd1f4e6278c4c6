import { Clock, Effect } from "effect"
import * as EventRow from "./EventRow.ts"
import * as FilteredRead from "./FilteredRead.ts"
import type { EventStore, Position } from "./EventStore.ts"
import * as LogTail from "./LogTail.ts"
import * as LogPosition from "./LogPosition.ts"
import type { Ask, Values } from "./PgAsk.ts"
import * as SafeHorizon from "./SafeHorizon.ts"

const commandAgeMaxMs = 7 * 24 * 60 * 60_000
const readAllMax = 10_000

/**
 * Below this bound nothing can still commit: events of earlier epochs, and of transactions that ended before the oldest
 * that is open and may write events.
 */
const horizon = `((SELECT l.epoch FROM log_epoch l), ${SafeHorizon.firstOpen})`

/** What follows a place in the log, without a filter. */
const readAfter = (ask: Ask, after: Position | null, size: number) => {
  const from = LogPosition.parts(after)
  return Effect.map(ask(readLog, [from.epoch, from.transactionId, from.globalPosition, size]), toEvents)
}

/** The end of the log, kept for all readers of this process. */
export const tail = (ask: Ask) => LogTail.make((after, limit) => readAfter(ask, after, limit))

/** The reading half of the event store. */
export const make = (
  ask: Ask,
  kept: LogTail.LogTail
): Omit<EventStore["Service"], "append" | "changes" | "onAppended" | "available"> => {
  const read: EventStore["Service"]["read"] = (streamName, afterVersion, limit) =>
    Effect.map(ask(readStream, [streamName, afterVersion, limit ?? null]), (rows) =>
      rows.map((row) => EventRow.toEvent(streamName, row as unknown as EventRow.Row))
    )

  const readAll: EventStore["Service"]["readAll"] = Effect.fnUntraced(function* (wanted) {
    const found = yield* kept.page(wanted)
    if (found !== null) return found
    const { after, category, limit, types } = wanted
    const size = Math.min(limit, readAllMax)
    const isWhole = category === undefined && types === undefined
    const page = yield* isWhole
      ? Effect.map(readAfter(ask, after, size), (events) => ({ events, next: events.at(-1)?.position ?? after }))
      : FilteredRead.page(ask, { after, category, size, types })
    // Nothing below the safe horizon follows: whoever reads on reads the end. A place that only the reader names may be
    // anywhere.
    if (page.events.length < size && page.next !== null && page.next !== after) kept.begin(page.next)
    return page
  })

  const head = Effect.map(ask(readHead, []), (rows) => firstPosition(rows) ?? LogPosition.start)

  return {
    read,
    readAll,
    head,
    findCommand: Effect.fnUntraced(function* (commandId) {
      const oldest = (yield* Clock.currentTimeMillis) - commandAgeMaxMs
      const [row] = yield* ask(readCommand, [commandId, oldest])
      return row === undefined ? null : EventRow.toEvent(row[0] as string, row.slice(1) as unknown as EventRow.Row)
    }),
    claimDue: ({ horizonMs, leaseMs, limit, now }) =>
      Effect.map(ask(claim, [now + horizonMs, limit, now + leaseMs]), (rows) =>
        [...rows]
          .sort((left, right) => Number((left[1] as bigint) - (right[1] as bigint)))
          .map((row) => row[0] as string)
      ),
    waitingOn: (key, afterStream, limit) => Effect.map(ask(waiting, [key, afterStream, limit]), firstColumn),
    waitedStores: Effect.map(ask(stores, []), firstColumn),
    lostWakes: (limit) => Effect.map(ask(lost, [limit]), firstColumn)
  }
}

const firstPosition = ([row]: Values): Position | null =>
  row === undefined ? null : LogPosition.of(row[0] as number, row[1] as string, row[2] as bigint)

const toEvents = (rows: Values) =>
  rows.map((row) => EventRow.toEvent(row[0] as string, row.slice(1) as unknown as EventRow.Row))

const firstColumn = (rows: Values): ReadonlyArray<string> => rows.map((row) => row[0] as string)

const readStream = `SELECT ${EventRow.columns} FROM events e
  WHERE e.stream_id = (SELECT s.stream_id FROM streams s WHERE s.stream_name = $1) AND e.stream_version > $2::int
  ORDER BY e.stream_version LIMIT $3::int`

const readLog = `SELECT s.stream_name, ${EventRow.columns}
  FROM events e JOIN streams s USING (stream_id)
  WHERE (e.epoch, e.transaction_id, e.global_position) > ($1::int, $2::text::xid8, $3::bigint)
    AND (e.epoch, e.transaction_id) < ${horizon}
  ORDER BY e.epoch, e.transaction_id, e.global_position LIMIT $4::int`

const newestFirst = "ORDER BY e.epoch DESC, e.transaction_id DESC, e.global_position DESC LIMIT 1"

/** Committed, so readAll reaches it when everything before it has ended. */
const readHead = `SELECT e.epoch, e.transaction_id::text, e.global_position FROM events e ${newestFirst}`

const readCommand = `SELECT s.stream_name, ${EventRow.columns} FROM events e JOIN streams s USING (stream_id)
  WHERE e.command_id = $1 AND e.recorded_at_ms >= $2::bigint
  ORDER BY e.epoch, e.transaction_id, e.global_position LIMIT 1`

/** Two sweepers never claim the same stream: the second skips what the first has locked, and then it is not due. */
const claim = `
  WITH due AS (
    SELECT stream_id, wake_at_ms FROM streams WHERE wake_at_ms <= $1::bigint
    ORDER BY wake_at_ms LIMIT $2::int FOR UPDATE SKIP LOCKED
  )
  UPDATE streams s SET wake_at_ms = $3::bigint FROM due WHERE s.stream_id = due.stream_id
  RETURNING s.stream_name, due.wake_at_ms`

const waiting = `SELECT s.stream_name FROM streams s
  WHERE s.waits_on IS NOT NULL AND s.waits_on @> ARRAY[$1::text] AND s.stream_name > $2::text
  ORDER BY s.stream_name LIMIT $3::int`

const stores = `SELECT DISTINCT k.key COLLATE "C" AS key FROM streams s, unnest(s.waits_on) AS k (key)
  WHERE s.waits_on IS NOT NULL AND starts_with(k.key, 'store:') ORDER BY 1`

const lost = `SELECT s.stream_name FROM streams s
  WHERE s.waits_on IS NOT NULL AND EXISTS (
    SELECT 1 FROM unnest(s.waits_on) AS k (key) JOIN streams t ON t.stream_name = k.key WHERE t.wake_at_ms IS NULL
  ) ORDER BY s.stream_name LIMIT $1::int`
