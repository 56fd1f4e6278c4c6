import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"

/**
 * The name, for as long as it lasts, of a transaction that writes what is derived from the log and never events. It
 * holds nobody back: nothing that it commits can be missing from what a reader of the log has seen.
 */
export const bystander = "kintsugi bystander"

/** Evaluated in any statement of a transaction, makes it a bystander until it ends. */
export const standAside = `set_config('application_name', '${bystander}', true)`

/**
 * The first transaction whose events could still be missing: the oldest that is open and is no bystander. Asked only
 * when something is open. A bystander's id is found among the sessions while it is open, ids are given out once, and
 * whatever is not found there, or may not be seen, counts as a writer. So a wrong answer is one that waits too long, and
 * of two answers the later one can be the lower: whatever relies on one takes the bound along.
 */
export const firstOpen = `(SELECT CASE WHEN pg_snapshot_xmin(now.at) = pg_snapshot_xmax(now.at) THEN pg_snapshot_xmax(now.at)
    ELSE coalesce((
      SELECT open.id FROM pg_snapshot_xip(now.at) AS open (id)
      WHERE NOT EXISTS (
        SELECT FROM pg_stat_activity a WHERE a.application_name = '${bystander}'
          AND a.backend_xid::text::bigint = open.id::text::bigint & 4294967295
      )
      ORDER BY open.id LIMIT 1
    ), pg_snapshot_xmax(now.at)) END
  FROM (SELECT pg_current_snapshot()) AS now (at))`

/** The oldest open transaction that has written something: readAll shows nothing of later ones until it ends. */
export interface Holder {
  /** Process id of its server session. */
  readonly pid: number
  readonly ageMs: number
  /** Any database of the server holds it back, not only ours. */
  readonly database: string
  readonly applicationName: string
  readonly state: string
}

/** Who holds back the safe horizon; null when nobody does. */
export const oldestHolder: Effect.Effect<Holder | null, SqlError, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<Holder>`
    SELECT pid, (extract(epoch FROM clock_timestamp() - xact_start) * 1000)::float8 AS "ageMs", datname AS database,
      application_name AS "applicationName", coalesce(state, '') AS state
    FROM pg_stat_activity
    WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
      AND application_name <> ${bystander}
    ORDER BY age(backend_xid) DESC LIMIT 1`
  return rows[0] ?? null
})
