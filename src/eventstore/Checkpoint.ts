import { Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import type { Position } from "./EventStore.ts"
import { standAside } from "./SafeHorizon.ts"

/**
 * What became of a compare-and-set. `stored`: it was at `from` and is at `to` now. `already`: somebody has stored `to`.
 * `ahead`: somebody is beyond `to`. `mismatch`: it is elsewhere before `to`, so what was read does not join on to it.
 */
export type Outcome = "stored" | "already" | "ahead" | "mismatch"

/** The checkpoint is not where this reader left it: another process runs the same subscription. Read on from there. */
export class CheckpointMoved extends Schema.TaggedError<CheckpointMoved>()("CheckpointMoved", {
  name: Schema.String,
  outcome: Schema.Literals(["already", "ahead", "mismatch"]),
  position: Schema.NullOr(Schema.String)
}) {}

interface Row {
  readonly position: Position | null
}

/** Where the subscription stands; makes its row, at `start`, when it has none. */
export const open = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  name: string,
  start: Position | null
): Effect.fn.Return<Position | null, SqlError> {
  yield* sql`INSERT INTO subscriptions (name, position) VALUES (${name}, ${start}) ON CONFLICT (name) DO NOTHING`
  const rows = yield* sql<Row>`SELECT position FROM subscriptions WHERE name = ${name}`
  return rows[0]!.position
})

/**
 * Moves the checkpoint; to be called first in the transaction that handles the events, because it locks the row: a
 * second reader waits here and then finds it moved. That transaction writes no events: it holds back no reader.
 */
export const move = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  name: string,
  from: Position | null,
  to: Position
): Effect.fn.Return<Outcome, SqlError> {
  // It stands aside before it may wait for the row.
  const moved = yield* sql`
    UPDATE subscriptions SET position = ${to}, error = NULL, heartbeat_at = now()
    FROM (SELECT ${sql.literal(standAside)} AS name OFFSET 0) AS aside
    WHERE subscriptions.name = ${name} AND position IS NOT DISTINCT FROM ${from} AND aside.name IS NOT NULL
    RETURNING subscriptions.name`
  if (moved.length > 0) return "stored"
  const rows = yield* sql<Row>`SELECT position FROM subscriptions WHERE name = ${name}`
  const current = rows[0]?.position ?? null
  if (current === to) return "already"
  return current !== null && current > to ? "ahead" : "mismatch"
})

/** Says that the reader lives although there is nothing to read. */
export const beat = (sql: SqlClient.SqlClient, name: string): Effect.Effect<void, SqlError> =>
  Effect.asVoid(sql`UPDATE subscriptions SET heartbeat_at = now() WHERE name = ${name}`)

/** Records why the subscription stopped; the position stays before the event that it could not handle. */
export const fail = (sql: SqlClient.SqlClient, name: string, error: string): Effect.Effect<void, SqlError> =>
  Effect.asVoid(sql`UPDATE subscriptions SET error = ${error}, heartbeat_at = now() WHERE name = ${name}`)
