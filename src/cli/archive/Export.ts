import { Clock, DateTime, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { createHash } from "node:crypto"
import type { Position } from "../../eventstore/EventStore.ts"
import * as HashChain from "../../eventstore/HashChain.ts"
import * as LogPosition from "../../eventstore/LogPosition.ts"
import * as MerkleRoot from "../../eventstore/MerkleRoot.ts"
import type { Signer } from "../../eventstore/Signature.ts"
import * as StreamHeads from "../../eventstore/StreamHeads.ts"
import { formatVersion, type HeadLine, type Header, signedText, type Trailer } from "./ArchiveFormat.ts"

/** The log cannot be exported: what stands in the way, in one line. */
export class ExportFailed extends Schema.TaggedError<ExportFailed>()("ExportFailed", { message: Schema.String }) {}

/** Takes text; slow takers hold the export up. */
export type Sink = (text: string) => Effect.Effect<void, ExportFailed>

export interface ExportOptions {
  /** Leave out what is at this position and before: it is in another file. */
  readonly after: Position | null
  readonly signer: Signer | null
}

export interface Exported {
  readonly events: number
  readonly streams: number
  readonly head: Position | null
  readonly root: string
  readonly keyId: string | null
}

type Row = readonly [
  stream: string | null,
  version: number,
  type: string,
  schemaVersion: number,
  payload: string,
  metadata: string | null,
  recordedAt: bigint,
  hash: string,
  epoch: number,
  transactionId: string,
  globalPosition: bigint,
  previous: string | null,
  isPreviousOutside: boolean | null,
  payloadHash: string | null
]

/** Pages of about this much text, between these bounds. */
const pageCharsWanted = 1024 * 1024
const pageEventsFirst = 500
const pageEventsMin = 20
const pageEventsMax = 5_000

/**
 * Writes the log, up to what was settled when it began, as a file of lines (`ArchiveFormat`). May run beside a server:
 * it reads in pages, and keeps one page in memory. Each event is compared with the hash of the one before it, so that a
 * broken log is no silent backup.
 */
export const write = Effect.fn("Export.write")(function* (
  sink: Sink,
  { after, signer }: ExportOptions
): Effect.fn.Return<Exported, ExportFailed | SqlError, SqlClient.SqlClient> {
  const digest = createHash("sha256")
  const put = (text: string) => {
    digest.update(text)
    return sink(text)
  }
  const settled = yield* StreamHeads.settled
  const afterHash = after === null ? null : yield* hashAt(after)
  const head = settled !== null && (after === null || settled > after) ? settled : null
  const header: Header = {
    ...{ kintsugi: "export" as const, format: formatVersion, after, afterHash, head },
    exportedAt: DateTime.formatIso(DateTime.makeUnsafe(yield* Clock.currentTimeMillis))
  }
  yield* put(line(header))

  let events = 0
  let cursor = after
  let limit = pageEventsFirst
  while (head !== null && (cursor === null || cursor < head)) {
    const page = yield* eventsPage(cursor, head, after, limit)
    if (page.length === 0) break
    let text = ""
    for (const row of page) {
      const position = LogPosition.of(row[8], row[9], row[10])
      yield* checkRow(row, position)
      text += lineOf(row, position)
      cursor = position
    }
    events += page.length
    yield* put(text)
    const fitting = Math.trunc((limit * pageCharsWanted) / text.length)
    limit = Math.min(pageEventsMax, Math.max(pageEventsMin, Math.min(fitting, limit * 2)))
  }

  const tree = MerkleRoot.make()
  for (let name: string | null = ""; head !== null && name !== null; ) {
    const page: Effect.Success<ReturnType<typeof StreamHeads.page>> = yield* StreamHeads.page(head, name)
    const inside = page.heads.filter(({ position }) => after === null || position > after)
    for (const found of inside) tree.add(found)
    if (inside.length > 0) yield* put(inside.map((found) => line(headLine(found))).join(""))
    name = page.next
  }

  const counted = { events, streams: tree.size(), root: tree.root(), digest: digest.digest("hex") }
  const trailer: Trailer = {
    trailer: true,
    ...counted,
    ...(signer === null ? {} : { signature: signer.sign(signedText(counted)) })
  }
  yield* sink(line(trailer))
  return { events, streams: counted.streams, head, root: counted.root, keyId: signer?.keyId ?? null }
})

const line = (value: unknown): string => `${JSON.stringify(value)}\n`

const lineOf = (row: Row, position: Position): string => {
  const [stream, version, type, schemaVersion, payload, metadata, recordedAt, hash] = row
  const text = JSON.stringify
  const before = row[12] === true ? `,"previous":"${row[11]}"` : ""
  const redacted = row[13] === null ? "" : `,"payloadHash":"${row[13]}"`
  return (
    `{"position":"${position}","stream":${text(stream)},"version":${version},"type":${text(type)},` +
    `"schemaVersion":${schemaVersion},"recordedAt":${recordedAt},"payload":${text(payload)},` +
    `"metadata":${text(metadata ?? "")},"hash":"${hash}"${redacted}${before}}\n`
  )
}

/** What has moved on meanwhile is looked at as soon as it is imported: what it waits for now is of another moment. */
const headLine = ({ hash, isCurrent, stream, version, waitsOn, wakeAt }: StreamHeads.HeadAsOf): HeadLine => ({
  head: stream,
  version,
  hash,
  ...(isCurrent ? (wakeAt === null ? {} : { wakeAt }) : { wakeAt: 0 }),
  ...(isCurrent && waitsOn !== null ? { waitsOn } : {})
})

const checkRow = (row: Row, position: Position): Effect.Effect<void, ExportFailed> => {
  const [stream, streamVersion, type, schemaVersion, payload, metadata, recordedAt, hash] = row
  const event = {
    streamVersion,
    type,
    schemaVersion,
    recordedAt: Number(recordedAt),
    payload,
    payloadHash: row[13] ?? undefined,
    metadata: metadata ?? ""
  }
  const previous = streamVersion === 1 ? HashChain.genesis : row[11]
  if (stream !== null && previous !== null && HashChain.link(previous, event) === hash) return Effect.void
  const where = `version ${streamVersion} of ${stream ?? "a stream that has no name"}, position ${position}`
  return Effect.fail(new ExportFailed({ message: `the log is broken at ${where}: kintsugi verify tells more` }))
}

const hashAt = Effect.fnUntraced(function* (
  after: Position
): Effect.fn.Return<string, ExportFailed | SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const { epoch, globalPosition, transactionId } = LogPosition.parts(after)
  const [row] = yield* sql<{ readonly hash: string }>`
    SELECT encode(e.hash, 'hex') AS hash FROM events e
    WHERE (e.epoch, e.transaction_id, e.global_position)
      = (${epoch}::int, ${transactionId}::text::xid8, ${globalPosition}::bigint)`
  if (row !== undefined) return row.hash
  return yield* new ExportFailed({ message: `--after: the log has no event at position ${after}` })
})

const eventsPage = Effect.fnUntraced(function* (
  cursor: Position | null,
  head: Position,
  after: Position | null,
  limit: number
): Effect.fn.Return<ReadonlyArray<Row>, SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const places = [cursor, head, after ?? LogPosition.start].flatMap((place) => {
    const { epoch, globalPosition, transactionId } = LogPosition.parts(place)
    return [epoch, transactionId, globalPosition]
  })
  return yield* sql.unsafe(readPage, [limit, ...places]).values as Effect.Effect<ReadonlyArray<Row>, SqlError>
})

/** An event before it in its stream that comes after it in the log would not be in the file yet: it counts as absent. */
const readPage = `SELECT s.stream_name, e.stream_version, e.type, e.schema_version, e.payload::text, e.metadata,
    e.recorded_at_ms, encode(e.hash, 'hex'), e.epoch, e.transaction_id::text, e.global_position,
    CASE WHEN (p.epoch, p.transaction_id, p.global_position) < (e.epoch, e.transaction_id, e.global_position)
      THEN encode(p.hash, 'hex') END, (p.epoch, p.transaction_id, p.global_position) <= ($8::int, $9::text::xid8, $10::bigint),
    encode(e.payload_sha256, 'hex')
  FROM events e LEFT JOIN streams s USING (stream_id)
    LEFT JOIN events p ON p.stream_id = e.stream_id AND p.stream_version = e.stream_version - 1
  WHERE (e.epoch, e.transaction_id, e.global_position) > ($2::int, $3::text::xid8, $4::bigint)
    AND (e.epoch, e.transaction_id, e.global_position) <= ($5::int, $6::text::xid8, $7::bigint)
  ORDER BY e.epoch, e.transaction_id, e.global_position LIMIT $1::int`
