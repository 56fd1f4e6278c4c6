import { Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import type { Position } from "../eventstore/EventStore.ts"
import * as Columns from "./Columns.ts"

/** Somebody else has moved a checkpoint: another process runs the same projections. Everything is read again. */
export class CheckpointMoved extends Schema.TaggedError<CheckpointMoved>()("CheckpointMoved", {
  names: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `another process has moved the checkpoint of ${this.names.join(", ")}`
  }
}

export interface Checkpoint {
  readonly name: string
  readonly position: Position | null
  readonly error: string | null
}

/** The checkpoints of `names`; one that was never stored begins before the first event. */
export const load = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, names: ReadonlyArray<string>) {
  const rows = yield* sql<Checkpoint>`
    SELECT name, position, error FROM projection_checkpoints WHERE name = ANY(${Columns.text(names)})`
  return new Map(rows.map((row) => [row.name, row]))
})

/** Gives each of `names` a row, so that moving a checkpoint is always an update. */
export const register = (sql: SqlClient.SqlClient, names: ReadonlyArray<string>) => sql`
  INSERT INTO projection_checkpoints (name)
  SELECT name FROM unnest(${Columns.text(names)}) AS wanted (name)
  ON CONFLICT (name) DO NOTHING`

/** Compare-and-set of all of `names` at once, inside the transaction that writes their tables. */
export const move = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  names: ReadonlyArray<string>,
  from: Position | null,
  to: Position
): Effect.fn.Return<void, SqlError | CheckpointMoved> {
  const moved = yield* sql`
    UPDATE projection_checkpoints SET position = ${to}, error = NULL, updated_at = now()
    WHERE name = ANY(${Columns.text(names)}) AND position IS NOT DISTINCT FROM ${from}
    RETURNING name`
  if (moved.length !== names.length) return yield* new CheckpointMoved({ names })
})

export const setError = (sql: SqlClient.SqlClient, name: string, error: string | null) => sql`
  UPDATE projection_checkpoints SET error = ${error}, updated_at = now() WHERE name = ${name}`

export const remove = (sql: SqlClient.SqlClient, name: string) => sql`
  DELETE FROM projection_checkpoints WHERE name = ${name}`
