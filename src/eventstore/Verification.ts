import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { EventStore, type LogUnavailable, type Position } from "./EventStore.ts"
import * as HashChain from "./HashChain.ts"

export interface Report {
  readonly events: number
  readonly streams: number
  /** Broken places in log order, one a stream, at most 100; what follows in a broken stream is not judged. */
  readonly breaks: ReadonlyArray<HashChain.Break>
}

/** A stream whose row says another length than its events: its end was cut off, or an event was added by hand. */
export interface WrongEnd {
  readonly streamName: string
  readonly streamVersion: number
  readonly lastEventVersion: number
}

const pageEvents = 2_000
const pageStreams = 5_000
const reportedMax = 100

/** Recomputes every hash chain of the log, page by page. Keeps the end of each stream: about 200 bytes a stream. */
export const chains: Effect.Effect<Report, LogUnavailable, EventStore> = Effect.gen(function* () {
  const store = yield* EventStore
  const ends = new Map<string, HashChain.Link | null>()
  const breaks: Array<HashChain.Break> = []
  let events = 0
  let after: Position | null = null
  while (true) {
    const page: Effect.Success<ReturnType<typeof store.readAll>> = yield* store.readAll({ after, limit: pageEvents })
    for (const event of page.events) {
      const { hash, streamName, streamVersion } = event
      events++
      const previous = ends.get(streamName)
      if (previous === null) continue
      const broken = HashChain.check(previous ?? HashChain.unread, event)
      if (broken !== null && breaks.length < reportedMax) breaks.push(broken)
      ends.set(streamName, broken === null ? { streamVersion, hash } : null)
    }
    if (page.events.length === 0) return { events, streams: ends.size, breaks }
    after = page.next
  }
})

/** Streams whose events do not reach the length that their row says; a chain alone cannot tell that its end is gone. */
export const wrongEnds: Effect.Effect<ReadonlyArray<WrongEnd>, SqlError, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const sql = yield* SqlClient.SqlClient
    const wrong: Array<WrongEnd> = []
    let after = 0n
    while (wrong.length < reportedMax) {
      const rows = yield* sql<WrongEnd & { readonly id: bigint }>`
      SELECT s.stream_id AS id, s.stream_name AS "streamName", s.stream_version AS "streamVersion",
        coalesce((SELECT e.stream_version FROM events e WHERE e.stream_id = s.stream_id
          ORDER BY e.stream_version DESC LIMIT 1), 0) AS "lastEventVersion"
      FROM streams s WHERE s.stream_id > ${after} ORDER BY s.stream_id LIMIT ${pageStreams}`
      for (const { id: _, ...stream } of rows) {
        if (stream.streamVersion !== stream.lastEventVersion) wrong.push(stream)
      }
      if (rows.length < pageStreams) return wrong
      after = rows[rows.length - 1]!.id
    }
    return wrong
  }
)
