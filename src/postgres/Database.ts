import { PgClient } from "@effect/sql-pg"
import { Effect, type Layer, Redacted, Schedule, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { userInfo } from "node:os"
import type * as Binaries from "./Binaries.ts"
import * as Embedded from "./Embedded.ts"
import * as SqlFailure from "./SqlFailure.ts"

/**
 * Where the database is: a server of the user's, or the embedded one under the data directory. `setting` is the flag or
 * variable by which the URL was given, `DATABASE_URL` when it is left out.
 */
export type Settings =
  | { readonly kind: "url"; readonly url: Redacted.Redacted; readonly setting?: string }
  | ({ readonly kind: "embedded" } & Embedded.Options)

/** The database cannot be used as configured: one line that names the setting and keeps the real cause. */
export class DatabaseUnusable extends Schema.TaggedError<DatabaseUnusable>()("DatabaseUnusable", {
  /** `DATABASE_URL`, `--database-url` or `KINTSUGI_DATA_DIR`. */
  setting: Schema.String,
  message: Schema.String,
  cause: Schema.Defect()
}) {}

/** Oldest PostgreSQL, as `server_version_num`. Positions are made of `xid8` values; older servers are not tested. */
export const serverVersionMin = 150_000
const connectionsMax = 10
const statementTimeoutMs = 30_000
/** A transaction that nobody goes on with holds back the safe horizon of every subscription. */
const idleInTransactionTimeoutMs = 60_000

/** The client of `settings`; with the embedded server, that server runs as long as the layer lives. */
export const layer = (
  settings: Settings
): Layer.Layer<
  PgClient.PgClient | SqlClient.SqlClient,
  DatabaseUnusable | Embedded.EmbeddedFailed | Binaries.BinariesMissing
> =>
  PgClient.layerFrom(
    Effect.gen(function* () {
      const { setting, where } = yield* locate(settings)
      return yield* connect(where).pipe(
        Effect.tap((client) => checkServer(setting, client)),
        Effect.catchTag("SqlError", (error) => Effect.fail(unusable(setting, error)))
      )
    })
  )

/**
 * The client of `settings` without a word on what answers there: for whoever tells more than the first fault. Nothing is
 * sent before the first query.
 */
export const unchecked = (settings: Settings) =>
  PgClient.layerFrom(
    Effect.gen(function* () {
      const { setting, where } = yield* locate(settings)
      return yield* Effect.mapError(connect(where), (error) => unusable(setting, error))
    })
  )

const locate = Effect.fnUntraced(function* (settings: Settings) {
  if (settings.kind === "url") {
    const { setting = "DATABASE_URL", url } = settings
    const parsed = yield* readUrl(setting, url)
    const namesUser = parsed.username !== "" || parsed.searchParams.has("user")
    return { setting, where: namesUser ? { url } : { url, username: yield* defaultUser(setting) } }
  }
  const { database, port, socketDir, username } = yield* Embedded.start(settings)
  return { setting: "KINTSUGI_DATA_DIR", where: { host: socketDir, port, username, database } }
})

const connect = (where: PgClient.PgClientConfig) =>
  PgClient.make({
    ...where,
    applicationName: "kintsugi",
    maxConnections: connectionsMax,
    keepAlive: "30 seconds",
    startupParameters: {
      // A plan that is kept was made for the tables as they were: until autovacuum looks, which can take minutes, a log
      // that has grown to 100,000 events is read by a plan for a hundred.
      plan_cache_mode: "force_custom_plan",
      statement_timeout: String(statementTimeoutMs),
      idle_in_transaction_session_timeout: String(idleInTransactionTimeoutMs)
    }
  })

const unusable = (setting: string, error: SqlError): DatabaseUnusable =>
  new DatabaseUnusable({
    setting,
    message: `${setting}: the database cannot be reached: ${SqlFailure.messageOf(error)}`,
    cause: error
  })

/** A server that is just starting says so and is waited for; anything else is told at once. */
const checkServer = Effect.fnUntraced(function* (setting: string, sql: SqlClient.SqlClient) {
  const rows = yield* sql<{ readonly version: number; readonly recovering: boolean }>`
    SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS recovering`.pipe(
    Effect.retry({
      while: (error) => SqlFailure.sqlStateOf(error) === "57P03",
      schedule: Schedule.spaced("250 millis"),
      times: 40
    })
  )
  const { recovering, version } = rows[0]!
  const refuse = (message: string) =>
    new DatabaseUnusable({ setting, message: `${setting}: ${message}`, cause: message })
  if (version < serverVersionMin) {
    return yield* refuse(`PostgreSQL 15 or newer is needed, the server is ${Math.trunc(version / 10_000)}`)
  }
  if (recovering) return yield* refuse("the server is a read-only standby, and Kintsugi reads and writes the primary")
})

const readUrl = (setting: string, url: Redacted.Redacted): Effect.Effect<URL, DatabaseUnusable> => {
  const text = Redacted.value(url)
  // The text itself may hold a password and is not repeated.
  const refuse = (cause: unknown) =>
    new DatabaseUnusable({
      setting,
      message: `${setting}: not a URL of the form postgres://user:password@host:port/database`,
      cause
    })
  return Effect.try({ try: () => new URL(text), catch: () => refuse("not a URL") }).pipe(
    Effect.filterOrFail(
      ({ protocol }) => protocol === "postgres:" || protocol === "postgresql:",
      ({ protocol }) => refuse(`scheme ${protocol}`)
    )
  )
}

/** Who connects when the URL does not say: as with every client of Postgres, `PGUSER`, else the system's user. */
const defaultUser = (setting: string): Effect.Effect<string, DatabaseUnusable> =>
  Effect.try({
    try: () => process.env.PGUSER || userInfo().username,
    catch: (cause) =>
      new DatabaseUnusable({
        setting,
        message: `${setting}: names no user, and the system has no name for its own: write postgres://user@host/database`,
        cause
      })
  })
