import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { hash } from "node:crypto"
import * as Redaction from "../domain/Redaction.ts"
import * as HashChain from "../eventstore/HashChain.ts"
import * as LogPosition from "../eventstore/LogPosition.ts"

/** Where a stream's chain breaks first. */
export interface BrokenLink {
  readonly stream: string
  /** Count of events up to and including the one that is wrong or absent. */
  readonly version: number
  /** Of the event that is wrong; null when it is absent. */
  readonly position: string | null
  readonly problem: string
}

export interface Scanned {
  readonly streams: number
  readonly events: number
  readonly brokenStreams: number
  /** Events of which something was redacted, as the log itself says. */
  readonly redacted: number
  /** The first broken link of each broken stream, for the first 100 of them. */
  readonly broken: ReadonlyArray<BrokenLink>
}

interface Row {
  readonly stream_id: bigint
  readonly stream_name: string | null
  readonly length: number | null
  readonly stream_version: number
  readonly type: string
  readonly schema_version: number
  readonly recorded_at_ms: bigint
  readonly payload: string
  /** Of the payload as it was written, if it was redacted since. */
  readonly payload_hash: string | null
  readonly metadata: string | null
  readonly hash: string
  readonly epoch: number
  readonly transaction_id: string
  readonly global_position: bigint
}

const pageSize = 5_000
const brokenMax = 100

/**
 * Walks every stream from its first event and computes its hash chain anew. Reads in pages along the index of streams,
 * so that memory does not grow with the log, and may run while a server appends: each page is judged by the lengths
 * that streams had when it was read.
 */
export const scan: Effect.Effect<Scanned, SqlError, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const walk = makeWalk()
  let after: { readonly streamId: bigint; readonly version: number } = { streamId: -1n, version: 0 }
  while (true) {
    const rows: ReadonlyArray<Row> = yield* sql<Row>`
      SELECT e.stream_id, s.stream_name, s.stream_version AS length, e.stream_version, e.type, e.schema_version,
        e.recorded_at_ms, e.payload::text AS payload, encode(e.payload_sha256, 'hex') AS payload_hash, e.metadata, encode(e.hash, 'hex') AS hash,
        e.epoch, e.transaction_id::text AS transaction_id, e.global_position
      FROM events e LEFT JOIN streams s USING (stream_id)
      WHERE (e.stream_id, e.stream_version) > (${after.streamId}, ${after.version})
      ORDER BY e.stream_id, e.stream_version LIMIT ${pageSize}`
    for (const row of rows) {
      walk.visit(row, row.payload_hash === null || (yield* isAnnounced(row)))
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < pageSize) break
    after = { streamId: last.stream_id, version: last.stream_version }
  }
  // A stream whose events are all gone has no row to visit.
  const empty = yield* sql<{ readonly stream_name: string }>`
    SELECT s.stream_name FROM streams s
    WHERE s.stream_version > 0 AND NOT EXISTS (SELECT 1 FROM events e WHERE e.stream_id = s.stream_id)
    ORDER BY s.stream_name`
  for (const { stream_name } of empty) walk.note(absent(stream_name, 1))
  return walk.finish()
})

/** Whether the log says that this payload was redacted, from what it was to what it is. */
const isAnnounced = Effect.fnUntraced(function* (row: Row) {
  const sql = yield* SqlClient.SqlClient
  const [found] = yield* sql<{ readonly is: boolean }>`
    SELECT r.payload->>'payloadHash' = ${row.payload_hash}
      AND r.payload->>'redactedHash' = ${hash("sha256", row.payload)} AS is
    FROM events r JOIN streams s USING (stream_id)
    WHERE s.stream_name = ${Redaction.streamName(row.stream_name ?? "")} AND r.type = 'PayloadRedacted'
      AND (r.payload->>'version')::int = ${row.stream_version}
    ORDER BY r.stream_version DESC LIMIT 1`
  return found?.is === true
})

const absent = (stream: string, version: number): BrokenLink => ({
  stream,
  version,
  position: null,
  problem: "the event is absent"
})

const makeWalk = () => {
  const broken: Array<BrokenLink> = []
  let brokenStreams = 0
  let streams = 0
  let events = 0
  let redacted = 0
  /** The stream that is being walked: what its chain is so far, and whether it is known to be broken. */
  let current: { readonly id: bigint; readonly row: Row; readonly isBroken: boolean } | null = null

  const note = (link: BrokenLink): void => {
    brokenStreams++
    if (broken.length < brokenMax) broken.push(link)
  }

  const closeStream = (): void => {
    if (current === null || current.isBroken) return
    const { length, stream_version } = current.row
    if (length !== null && length > stream_version) note(absent(nameOf(current.row), stream_version + 1))
  }

  const visit = (row: Row, isAnnounced: boolean): void => {
    events++
    if (row.payload_hash !== null) redacted++
    if (current === null || current.id !== row.stream_id) {
      closeStream()
      streams++
      current = null
    }
    let isBroken = current?.isBroken ?? false
    if (!isBroken) {
      const link = judge(row, current?.row ?? null, isAnnounced)
      if (link !== null) {
        isBroken = true
        note(link)
      }
    }
    current = { id: row.stream_id, row, isBroken }
  }

  const finish = (): Scanned => {
    closeStream()
    return { streams, events, brokenStreams, redacted, broken }
  }
  return { visit, note, finish }
}

const positionOf = (row: Row) => LogPosition.of(row.epoch, row.transaction_id, row.global_position)

/** No hash covers where an event stands in the log; within a stream that order has to be the one of its versions. */
const isAfter = (row: Row, before: Row): boolean => positionOf(row) > positionOf(before)

const nameOf = (row: Row): string => row.stream_name ?? `(stream number ${row.stream_id}, which has no name)`

const judge = (row: Row, before: Row | null, isAnnounced: boolean): BrokenLink | null => {
  const version = (before?.stream_version ?? 0) + 1
  if (row.stream_version !== version) return absent(nameOf(row), version)
  const unsaid = isAnnounced ? null : "it was redacted, and the log does not say so of this content"
  const misplaced = before === null || isAfter(row, before) ? null : "it does not come after the event before it"
  const problem = problemOf(row, before?.hash ?? HashChain.genesis) ?? unsaid ?? misplaced
  if (problem === null) return null
  return { stream: nameOf(row), version, position: positionOf(row), problem }
}

const problemOf = (row: Row, previous: string): string | null => {
  if (row.stream_name === null) return "its stream is absent"
  if (row.length !== null && row.stream_version > row.length) {
    return `the stream says that it has only ${row.length} events`
  }
  const linked = HashChain.link(previous, {
    streamVersion: row.stream_version,
    type: row.type,
    schemaVersion: row.schema_version,
    recordedAt: Number(row.recorded_at_ms),
    payload: row.payload,
    payloadHash: row.payload_hash ?? undefined,
    metadata: row.metadata ?? ""
  })
  return linked === row.hash ? null : "its content does not have the hash that was recorded"
}
