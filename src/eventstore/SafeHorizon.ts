import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"

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
    ORDER BY age(backend_xid) DESC LIMIT 1`
  return rows[0] ?? null
})
