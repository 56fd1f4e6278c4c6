import type { PgConnection } from "@effect/sql-pg"
import { Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"

/** `pg_advisory_lock` key of the epoch; appends hold it shared (migrations/0002). */
const lock = "1802069876, 2"

/**
 * Raises the epoch when the log holds a transaction id that this server has not given out yet: the log was restored
 * from a dump, and new transactions would otherwise sort before old ones. Events of earlier epochs are always visible.
 * A log with such an id is either restored, or this is not a log of this server at all, so nothing else is lost by it.
 */
export const raiseIfRestored = (connection: PgConnection.PgConnection): Effect.Effect<void, SqlError> =>
  Effect.gen(function* () {
    if ((yield* connection.queryValues(`SELECT 1 ${restored}`)).length === 0) return
    yield* connection.query("BEGIN")
    // Nobody may be between reading the old epoch and committing events that carry it.
    yield* connection.query(`SELECT pg_advisory_xact_lock(${lock})`)
    yield* connection.query(`UPDATE log_epoch SET epoch = epoch + 1 WHERE EXISTS (SELECT 1 ${restored})`)
    yield* connection.query("COMMIT")
    yield* Effect.logInfo("the event log was restored from a dump: a new epoch begins")
  })

/** The end of a snapshot is the first transaction id that it has not seen; whatever committed here is before it. */
const restored = `FROM events e WHERE e.epoch = (SELECT l.epoch FROM log_epoch l)
  AND e.transaction_id >= pg_snapshot_xmax(pg_current_snapshot()) LIMIT 1`
