import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** The event log: streams, events and the epoch (docs/adr/0002-event-log-columns.md). */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  // Each session takes numbers in blocks: fewer records in the write-ahead log, and gaps mean nothing.
  yield* sql`CREATE SEQUENCE stream_ids AS bigint CACHE 100`
  yield* sql`CREATE SEQUENCE global_positions AS bigint CACHE 100`

  // Columns that change come last, so that the record of an update holds little more than them. Each page has room for
  // new versions of its rows: as long as no indexed value changes, an update touches no index.
  yield* sql`
    CREATE TABLE streams (
      stream_id bigint PRIMARY KEY DEFAULT nextval('stream_ids'),
      stream_name text COLLATE "C" NOT NULL,
      -- What the actor passively waits for: stream names of recoveries, or store:<name>.
      waits_on text[],
      -- When somebody must look at the actor if it is not resident; null: nothing is owed.
      wake_at_ms bigint,
      stream_version integer NOT NULL
    ) WITH (
      fillfactor = 50,
      autovacuum_vacuum_scale_factor = 0.02,
      autovacuum_analyze_scale_factor = 0.05
    )`
  // Every append finds its stream here.
  yield* sql`CREATE UNIQUE INDEX streams_name ON streams (stream_name)`
  // For the sweeper; small, because most streams have ended.
  yield* sql`CREATE INDEX streams_wake ON streams (wake_at_ms) WHERE wake_at_ms IS NOT NULL`
  // Who waits on a recovery or a store. A pending list would make every lookup read it.
  yield* sql`
    CREATE INDEX streams_waits ON streams USING gin (waits_on) WITH (fastupdate = off) WHERE waits_on IS NOT NULL`
  // Everything that waits, so that lost wake-ups and waited stores are found without reading the others.
  yield* sql`CREATE INDEX streams_waiting ON streams (stream_name) WHERE waits_on IS NOT NULL`

  // Wide columns first, so that no byte is lost to alignment.
  yield* sql`
    CREATE TABLE events (
      transaction_id xid8 NOT NULL,
      global_position bigint NOT NULL,
      stream_id bigint NOT NULL,
      recorded_at_ms bigint NOT NULL,
      epoch integer NOT NULL,
      stream_version integer NOT NULL,
      schema_version integer NOT NULL,
      type text NOT NULL,
      hash bytea NOT NULL,
      -- json keeps the text byte for byte; jsonb would change what the hash covers.
      payload json NOT NULL,
      metadata text,
      command_id text
    )`
  // A stream in order, and the guard that no version exists twice.
  yield* sql`CREATE UNIQUE INDEX events_stream ON events (stream_id, stream_version)`
  // The log in order.
  yield* sql`CREATE INDEX events_log ON events (epoch, transaction_id, global_position)`
  // Idempotency keys: only the first event of a command from outside has one.
  yield* sql`CREATE INDEX events_command ON events (command_id) WHERE command_id IS NOT NULL`

  // One row. The epoch rises when the log holds transaction ids that this server has not given out yet.
  yield* sql`
    CREATE TABLE log_epoch (
      only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
      epoch integer NOT NULL
    )`
  yield* sql`INSERT INTO log_epoch (epoch) VALUES (1)`
})
