import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import type { Position } from "./EventStore.ts"
import * as LogPosition from "./LogPosition.ts"
import type { StreamHead } from "./MerkleRoot.ts"

/** The end of a stream as of a position. */
export interface HeadAsOf extends StreamHead {
  readonly position: Position
  /** Its row says the same version: nothing has been appended since. */
  readonly isCurrent: boolean
  readonly wakeAt: number | null
  readonly waitsOn: ReadonlyArray<string> | null
}

type Row = readonly [
  stream: string,
  length: number,
  wakeAt: bigint | null,
  waitsOn: string | null,
  version: number | null,
  hash: string,
  epoch: number,
  transactionId: string,
  globalPosition: bigint
]

const pageStreams = 5_000

/** The newest event at which everything before is decided: what is at or below it never changes. Null: none yet. */
export const settled: Effect.Effect<Position | null, SqlError, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql.unsafe(newestSettled).values as Effect.Effect<
    ReadonlyArray<readonly [number, string, bigint]>,
    SqlError
  >
  return row === undefined ? null : LogPosition.of(...row)
})

/**
 * A page of the heads of all streams as of `asOf`, by name; streams that began later are left out. `next`: the name to
 * go on after, null at the end. `asOf` has to be settled, so that pages of different moments fit together.
 */
export const page = Effect.fnUntraced(function* (
  asOf: Position,
  after: string
): Effect.fn.Return<
  { readonly heads: ReadonlyArray<HeadAsOf>; readonly next: string | null },
  SqlError,
  SqlClient.SqlClient
> {
  const sql = yield* SqlClient.SqlClient
  const { epoch, globalPosition, transactionId } = LogPosition.parts(asOf)
  const params = [after, pageStreams, epoch, transactionId, globalPosition]
  const rows = yield* sql.unsafe(headsPage, params).values as Effect.Effect<ReadonlyArray<Row>, SqlError>
  const heads = rows.flatMap(
    ([stream, length, wakeAt, waitsOn, version, hash, ...place]): ReadonlyArray<HeadAsOf> =>
      version === null
        ? []
        : [
            {
              ...{ stream, version, hash, position: LogPosition.of(...place), isCurrent: length === version },
              wakeAt: wakeAt === null ? null : Number(wakeAt),
              waitsOn: waitsOn === null ? null : waitsOn.split(keyEnd)
            }
          ]
  )
  return { heads, next: rows.length < pageStreams ? null : rows.at(-1)![0] }
})

const keyEnd = "\x1f"

const newestSettled = `SELECT e.epoch, e.transaction_id::text, e.global_position FROM events e
  WHERE (e.epoch, e.transaction_id) < ((SELECT l.epoch FROM log_epoch l), pg_snapshot_xmin(pg_current_snapshot()))
  ORDER BY e.epoch DESC, e.transaction_id DESC, e.global_position DESC LIMIT 1`

const headsPage = `SELECT s.stream_name, s.stream_version, s.wake_at_ms, array_to_string(s.waits_on, E'\\x1f'),
    h.stream_version, encode(h.hash, 'hex'), h.epoch, h.transaction_id::text, h.global_position
  FROM (
    SELECT stream_id, stream_name, stream_version, wake_at_ms, waits_on FROM streams
    WHERE stream_name > $1::text ORDER BY stream_name LIMIT $2::int
  ) s LEFT JOIN LATERAL (
    SELECT e.stream_version, e.hash, e.epoch, e.transaction_id, e.global_position FROM events e
    WHERE e.stream_id = s.stream_id
      AND (e.epoch, e.transaction_id, e.global_position) <= ($3::int, $4::text::xid8, $5::bigint)
    ORDER BY e.stream_version DESC LIMIT 1
  ) h ON true
  ORDER BY s.stream_name`
