import { PgClient, PgConnection } from "@effect/sql-pg"
import { Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlFailure from "../../postgres/SqlFailure.ts"
import { error, type Finding, ok } from "./Finding.ts"

const check = "connection pooler"

/**
 * Whether two sessions of ours are two sessions of the server's, and stay so. A pooler by transaction lends one session
 * to many clients, so it is found by what it does: both clients are the same session, or one loses what it has set while
 * the other is inside a transaction.
 */
export const pooler: Effect.Effect<Finding, never, PgClient.PgClient> = Effect.gen(function* () {
  const { config } = yield* PgClient.PgClient
  const mine = yield* PgConnection.make(config)
  const other = yield* PgConnection.make(config)
  const [first] = yield* mine.queryValues("SELECT set_config('kintsugi.doctor', 'mine', false), pg_backend_pid()")
  yield* other.query("BEGIN", [], false)
  const [second] = yield* other.queryValues("SELECT pg_backend_pid(), pg_backend_pid()")
  const [third] = yield* mine.queryValues("SELECT current_setting('kintsugi.doctor', true), pg_backend_pid()")
  yield* other.query("ROLLBACK", [], false)
  if (second?.[1] === first?.[1]) return found("two clients are given one session of the server")
  if (third?.[1] !== first?.[1] || third?.[0] !== "mine")
    return found("what a session has set is lost between statements")
  return ok(check, "none by transaction: sessions keep what they set")
}).pipe(
  Effect.scoped,
  Effect.catch((failure: SqlError) =>
    Effect.succeed(found(`sessions do not hold together: ${SqlFailure.messageOf(failure)}`))
  )
)

const found = (what: string): Finding =>
  error(
    check,
    `${what}: a pooler in transaction mode stands before the database`,
    "prepared statements, the lock of the one serving process and session settings break behind it",
    "kintsugi serve --database-url URL with the address of PostgreSQL itself, or of a pooler in session mode"
  )
