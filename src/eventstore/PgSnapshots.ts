import { type Context, Effect, Option } from "effect"
import type { Ask } from "./PgAsk.ts"
import { standAside } from "./SafeHorizon.ts"
import type { Snapshots } from "./Snapshots.ts"

/** Snapshots in Postgres, one row for each long stream. */
export const make = (ask: Ask): Context.Service.Shape<typeof Snapshots> => ({
  read: (streamName, stateHash) =>
    Effect.map(ask(readRow, [streamName, stateHash]), ([row]) =>
      row === undefined
        ? Option.none()
        : Option.some({ streamVersion: row[0] as number, hash: row[1] as string, state: row[2] as string })
    ),
  write: (streamName, stateHash, { hash, state, streamVersion }) =>
    Effect.asVoid(ask(writeRow, [streamName, streamVersion, hash, stateHash, state])),
  discard: (streamName, streamVersion) => Effect.asVoid(ask(deleteRow, [streamName, streamVersion]))
})

const readRow = `SELECT s.stream_version, encode(s.hash, 'hex'), s.state FROM snapshots s
  WHERE s.stream_name = $1 AND s.state_hash = $2`

/** Two processes that both take the stream to be theirs: the one that is behind leaves the other's row alone. */
const writeRow = `INSERT INTO snapshots AS s (stream_name, stream_version, hash, state_hash, state)
  VALUES ($1, $2::int, decode($3, 'hex'), $4, $5)
  ON CONFLICT (stream_name) DO UPDATE SET stream_version = excluded.stream_version, hash = excluded.hash,
    state_hash = excluded.state_hash, state = excluded.state
  WHERE s.stream_version <= excluded.stream_version OR s.state_hash <> excluded.state_hash
  RETURNING ${standAside}`

const deleteRow = `DELETE FROM snapshots s WHERE s.stream_name = $1 AND s.stream_version = $2::int`
