import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import * as LogRoot from "../domain/LogRoot.ts"
import * as EventCodec from "./EventCodec.ts"
import { type AppendRefused, EventStore, type LogUnavailable, type Position } from "./EventStore.ts"
import * as LogPosition from "./LogPosition.ts"
import * as MerkleRoot from "./MerkleRoot.ts"
import type { Signer } from "./Signature.ts"
import * as StreamAppend from "./StreamAppend.ts"
import * as StreamHeads from "./StreamHeads.ts"

export const codec = EventCodec.make(LogRoot.Event, {})

/** A root as it was computed. */
export interface Root {
  readonly position: Position
  readonly treeSize: number
  readonly root: string
}

/** The root over the heads of all streams as of `position`, from the log itself; one page in memory. */
export const rootAsOf = Effect.fnUntraced(function* (
  position: Position
): Effect.fn.Return<Root, SqlError, SqlClient.SqlClient> {
  const tree = MerkleRoot.make()
  for (let name: string | null = ""; name !== null; ) {
    const page: Effect.Success<ReturnType<typeof StreamHeads.page>> = yield* StreamHeads.page(position, name)
    for (const head of page.heads) tree.add(head)
    name = page.next
  }
  return { position, treeSize: tree.size(), root: tree.root() }
})

/**
 * Signs the root as of now, appends it to the stream of roots, and keeps its leaves. Does nothing when nothing but the
 * last root has been appended since that; answers the position that is covered, or null.
 */
export const sign = Effect.fn("LogRoots.sign")(function* (
  signer: Signer
): Effect.fn.Return<Root | null, SqlError | LogUnavailable | AppendRefused, SqlClient.SqlClient | EventStore> {
  const log = yield* EventStore
  const settled = yield* StreamHeads.settled
  const last = yield* StreamAppend.lastOf(log, LogRoot.streamName)
  if (settled === null || settled === last?.position) return null
  const before = last === null ? null : (codec.decode(last).position as Position)
  yield* keepLeaves(before, settled)
  const root = yield* rootAsOf(settled)
  const { algorithm, keyId, publicKey, value } = signer.sign(LogRoot.signedText(root))
  const signed = { ...root, algorithm, keyId, publicKey, signature: value }
  yield* StreamAppend.append(log, LogRoot.streamName, codec.encode({ _tag: "LogRootSigned", ...signed }))
  return root
})

const pageEvents = 5_000

/**
 * Brings the leaves from one root to the next: the last event of each stream that was appended to in between. Begun
 * again after a crash it ends at the same rows. Short transactions: they hold up every reader of the log.
 */
const keepLeaves = Effect.fnUntraced(function* (
  before: Position | null,
  until: Position
): Effect.fn.Return<void, SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const to = LogPosition.parts(until)
  for (let after = before; ; ) {
    const from = LogPosition.parts(after)
    const params = [
      ...[from.epoch, from.transactionId, from.globalPosition],
      ...[to.epoch, to.transactionId, to.globalPosition, pageEvents]
    ]
    const rows = yield* sql.unsafe(keepPage, params).values as Effect.Effect<
      ReadonlyArray<readonly [number, number, string, bigint]>,
      SqlError
    >
    const [count = 0, epoch, transaction, place] = rows[0] ?? []
    if (count < pageEvents || epoch === undefined || transaction === undefined || place === undefined) return
    after = LogPosition.of(epoch, transaction, place)
  }
})

/** One page of events: of each stream the newest of them. Answers how many events there were, and the last one's place. */
const keepPage = `
  WITH page AS (
    SELECT e.stream_id, e.stream_version, e.hash, e.epoch, e.transaction_id, e.global_position FROM events e
    WHERE (e.epoch, e.transaction_id, e.global_position) > ($1::int, $2::text::xid8, $3::bigint)
      AND (e.epoch, e.transaction_id, e.global_position) <= ($4::int, $5::text::xid8, $6::bigint)
    ORDER BY e.epoch, e.transaction_id, e.global_position LIMIT $7::int
  ), kept AS (
    INSERT INTO signed_heads (stream_name, stream_version, hash, position)
    SELECT DISTINCT ON (s.stream_name) s.stream_name, p.stream_version, p.hash,
      lpad(to_hex(p.epoch), 8, '0') || '-' || lpad(to_hex(p.transaction_id::text::bigint), 16, '0') || '-'
        || lpad(to_hex(p.global_position), 16, '0')
    FROM page p JOIN streams s USING (stream_id) ORDER BY s.stream_name, p.stream_version DESC
    ON CONFLICT (stream_name) DO UPDATE SET stream_version = EXCLUDED.stream_version, hash = EXCLUDED.hash,
      position = EXCLUDED.position
    RETURNING 1
  )
  SELECT (SELECT count(*)::int FROM page), p.epoch, p.transaction_id::text, p.global_position FROM page p
  ORDER BY p.epoch DESC, p.transaction_id DESC, p.global_position DESC LIMIT 1`
