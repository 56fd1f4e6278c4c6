import { Clock, Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import * as SafeHorizon from "../../eventstore/SafeHorizon.ts"
import * as Database from "../../postgres/Database.ts"
import * as Migrations from "../../postgres/Migrations.ts"
import * as SqlFailure from "../../postgres/SqlFailure.ts"
import { error, type Finding, ok, warning } from "./Finding.ts"

interface Facts {
  readonly version: number
  readonly recovering: boolean
  readonly nowMs: number
  readonly xidAge: number
  readonly fsync: string
  readonly synchronousCommit: string
}

/** What the database itself tells, in the order in which it matters. `setting` names where its address was given. */
export const database = (setting: string): Effect.Effect<ReadonlyArray<Finding>, SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const beganMs = yield* Clock.currentTimeMillis
    const [facts] = yield* sql<Facts>`
      SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS recovering,
        (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS "nowMs",
        (SELECT age(datfrozenxid)::int FROM pg_database WHERE datname = current_database()) AS "xidAge",
        current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS "synchronousCommit"`
    const endedMs = yield* Clock.currentTimeMillis
    const { fsync, nowMs, recovering, synchronousCommit, version, xidAge } = facts!
    const basic = [server(setting, version, recovering), durability(fsync, synchronousCommit)]
    const others = [age(xidAge), skew("database clock", nowMs, beganMs, endedMs, "the database's host")]
    return [...basic, yield* schema, ...others, horizonOf(yield* SafeHorizon.oldestHolder)]
  })

/** The database did not answer as it should. */
export const unreachable = (message: string): Finding =>
  /unsupported startup parameter/i.test(message)
    ? error(
        "connection pooler",
        message,
        "a pooler stands before the database and takes no settings of a session",
        "kintsugi serve --database-url URL with the address of PostgreSQL itself"
      )
    : error(
        "database",
        message,
        "nothing is kept and nothing is served without it",
        "kintsugi migrate, when it is back"
      )

export const server = (setting: string, version: number, recovering: boolean): Finding => {
  const major = Math.trunc(version / 10_000)
  if (version < Database.serverVersionMin) {
    const what = `${setting}: PostgreSQL ${major}, and ${Database.serverVersionMin / 10_000} or newer is needed`
    return error(
      "database",
      what,
      "positions of events need it",
      "kintsugi export FILE, and kintsugi import FILE there"
    )
  }
  if (recovering) {
    const command = "kintsugi serve --database-url URL with the address of the primary"
    return error("database", `${setting}: a standby, which cannot be written`, "the log is written", command)
  }
  return ok("database", `PostgreSQL ${major}, the primary`)
}

export const durability = (fsync: string, synchronousCommit: string): Finding => {
  const check = "durability"
  if (fsync === "on" && synchronousCommit !== "off") return ok(check, "commits are on disk before they are answered")
  const off = fsync === "on" ? "synchronous_commit" : "fsync"
  return warning(
    check,
    `${off} is off`,
    "what was acknowledged can be lost when the database's host goes down",
    `set ${off} = on in postgresql.conf and restart PostgreSQL`
  )
}

const schema = Effect.map(
  Effect.catchTag(Migrations.status(), "MigrationFailed", (failed) => Effect.succeed(failed)),
  (found): Finding => {
    const check = "schema"
    if ("_tag" in found) return error(check, found.message, "the schema cannot be compared", "npm ci")
    const { newer, pending } = found
    if (newer !== null) {
      const why = "this program would not understand what the newer one wrote"
      return error(check, `the database has ${newer}, which this program does not know`, why, "use the newer Kintsugi")
    }
    if (pending.length === 0) return ok(check, "up to date")
    const what = `${pending.length} migrations have not run, the first is ${pending[0]}`
    return warning(check, what, "kintsugi serve runs them at its start, which then takes longer", "kintsugi migrate")
  }
)

/** Of 2^31; the server refuses to write 3 million before that. */
const xidAgeSound = 500_000_000
const xidAgeMax = 1_500_000_000

export const age = (xids: number): Finding => {
  const check = "transaction ids"
  const what = `the oldest row is ${xids} transactions old`
  if (xids < xidAgeSound) return ok(check, what)
  const told = [check, what, "at 2 billion PostgreSQL takes no more writes", "vacuumdb --freeze -d DATABASE"] as const
  return xids < xidAgeMax ? warning(...told) : error(...told)
}

const skewSoundMs = 2_000
const skewMaxMs = 60_000

/** How far a clock is from ours, when it was read between two looks at ours. */
export const skew = (check: string, theirsMs: number, beganMs: number, endedMs: number, whose: string): Finding => {
  const apart = theirsMs < beganMs ? beganMs - theirsMs : Math.max(0, theirsMs - endedMs)
  const direction = theirsMs < beganMs ? "behind" : "ahead of"
  if (apart < skewSoundMs) return ok(check, "within 2 s of ours")
  const what = `${whose} is ${Math.round(apart / 1_000)} s ${direction} this host`
  const told = [check, what, "schedules, freshness and signatures go by the clock", "timedatectl set-ntp true"] as const
  return apart < skewMaxMs ? warning(...told) : error(...told)
}

const holdSoundMs = 10_000
const holdMaxMs = 300_000

/** Who keeps every reader of the log from going on, and whether for too long. */
export const horizonOf = (holder: SafeHorizon.Holder | null): Finding => {
  const check = "safe horizon"
  if (holder === null || holder.ageMs < holdSoundMs) return ok(check, "held back by nobody")
  const { ageMs, applicationName, database: name, pid, state } = holder
  const who = `session ${pid} (${applicationName || "no name"}, database ${name}, ${state})`
  const what = `${who} has had a transaction open for ${Math.round(ageMs / 1_000)} s`
  const why = "read models, automatic runs and the event bus see nothing newer until it ends"
  const told = [check, what, why, `end the program that holds it (server process ${pid})`] as const
  return ageMs < holdMaxMs ? warning(...told) : error(...told)
}

/** The message of what a query or a connection said. */
export const messageOf = (failure: SqlError): string => SqlFailure.messageOf(failure)
