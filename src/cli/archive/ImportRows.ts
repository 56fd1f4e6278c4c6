import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Position } from "../../eventstore/EventStore.ts"
import * as LogPosition from "../../eventstore/LogPosition.ts"
import * as Columns from "../../projections/Columns.ts"
import type { EventLine, HeadLine } from "./ArchiveFormat.ts"

// Everything here runs inside the one transaction of an import.

export type Event = EventLine & { readonly commandId: string | null }

/** The newest event of the log; null: the log is empty. */
export const last = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ epoch: number; transaction: string; place: bigint; hash: string }>`
    SELECT e.epoch, e.transaction_id::text AS transaction, e.global_position AS place, encode(e.hash, 'hex') AS hash
    FROM events e ORDER BY e.epoch DESC, e.transaction_id DESC, e.global_position DESC LIMIT 1`
  return row === undefined ? null : { position: LogPosition.of(row.epoch, row.transaction, row.place), hash: row.hash }
})

/** Where streams end that are in the log already. */
export const headsOf = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
  if (names.length === 0) return new Map<string, never>()
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ name: string; version: number; hash: string }>`
    SELECT s.stream_name AS name, e.stream_version AS version, encode(e.hash, 'hex') AS hash
    FROM streams s JOIN events e ON e.stream_id = s.stream_id AND e.stream_version = s.stream_version
    WHERE s.stream_name = ANY (${Columns.text(names)})`
  return new Map(rows.map(({ name, ...head }) => [name, head]))
})

/** Streams that are new, the events, and how long the streams are now. */
export const writeEvents = Effect.fnUntraced(function* (events: ReadonlyArray<Event>) {
  const sql = yield* SqlClient.SqlClient
  const lengths = new Map(events.map(({ stream, version }) => [stream, version]))
  const names = Columns.text([...lengths.keys()])
  const versions = Columns.int4([...lengths.values()])
  yield* sql`
    INSERT INTO streams (stream_name, stream_version)
    SELECT name, version FROM unnest(${names}, ${versions}) AS page (name, version)
    ON CONFLICT (stream_name) DO UPDATE SET stream_version = EXCLUDED.stream_version`
  const places = events.map(({ position }) => LogPosition.parts(position as Position))
  yield* sql`
    INSERT INTO events (transaction_id, global_position, stream_id, recorded_at_ms, epoch, stream_version,
      schema_version, type, hash, payload, payload_sha256, metadata, command_id)
    SELECT transaction::xid8, place::bigint, (SELECT s.stream_id FROM streams s WHERE s.stream_name = name), at, epoch,
      version, schema_version, type, decode(hash, 'hex'), payload::json, decode(payload_hash, 'hex'),
      nullif(metadata, ''), command_id
    FROM unnest(
      ${Columns.text(places.map(({ transactionId }) => transactionId))},
      ${Columns.text(places.map(({ globalPosition }) => globalPosition))},
      ${Columns.text(events.map(({ stream }) => stream))},
      ${Columns.int8(events.map(({ recordedAt }) => recordedAt))},
      ${Columns.int4(places.map(({ epoch }) => epoch))},
      ${Columns.int4(events.map(({ version }) => version))},
      ${Columns.int4(events.map(({ schemaVersion }) => schemaVersion))},
      ${Columns.text(events.map(({ type }) => type))},
      ${Columns.text(events.map(({ hash }) => hash))},
      ${Columns.text(events.map(({ payload }) => payload))},
      ${Columns.text(events.map(({ payloadHash }) => payloadHash ?? null))},
      ${Columns.text(events.map(({ metadata }) => metadata))},
      ${Columns.text(events.map(({ commandId }) => commandId))}
    ) AS page (transaction, place, name, at, epoch, version, schema_version, type, hash, payload, payload_hash,
      metadata, command_id)`
})

/** When the streams must be looked at, and what they wait for. */
export const writeEnds = Effect.fnUntraced(function* (ends: ReadonlyArray<HeadLine>) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    UPDATE streams s SET wake_at_ms = page.wake_at, waits_on = string_to_array(page.waits_on, E'\\x1f')
    FROM unnest(
      ${Columns.text(ends.map(({ head }) => head))},
      ${Columns.int8(ends.map(({ wakeAt }) => wakeAt ?? null))},
      ${Columns.text(ends.map(({ waitsOn }) => (waitsOn === undefined || waitsOn.length === 0 ? null : waitsOn.join("\x1f"))))}
    ) AS page (name, wake_at, waits_on)
    WHERE s.stream_name = page.name`
})

/** Makes whatever is appended from now on come after what is there; answers the epoch of new events. */
export const raise = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // The lock of the epoch: nobody may be between reading it and committing events that carry it.
  yield* sql`SELECT pg_advisory_xact_lock(1802069876, 2)`
  yield* sql`
    UPDATE log_epoch SET epoch = greatest(epoch, coalesce((SELECT max(e.epoch) FROM events e), 0) + 1)`
  yield* sql`
    SELECT setval('global_positions', greatest((SELECT last_value FROM global_positions), max(e.global_position)))
    FROM events e HAVING count(*) > 0`
  const [row] = yield* sql<{ epoch: number }>`SELECT epoch FROM log_epoch`
  return row!.epoch
})
