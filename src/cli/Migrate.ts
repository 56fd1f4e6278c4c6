import { Console, Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Migrations from "../postgres/Migrations.ts"
import * as DataDir from "./DataDir.ts"
import * as LogAccess from "./LogAccess.ts"
import type { DatabaseSettings } from "./Settings.ts"

/** What a migration did; the versions are labels of migrations, null before the first. */
export interface Migrated {
  readonly from: string | null
  readonly to: string | null
  readonly ran: ReadonlyArray<string>
}

/** Brings the database of these settings to this program's schema, and prints from which version to which. */
export const run = Effect.fn("Migrate.run")(function* (settings: DatabaseSettings, json: boolean) {
  if (settings.databaseUrl === null) yield* DataDir.ensure(settings.dataDir)
  const migrated = yield* migrate.pipe(Effect.provide(LogAccess.database(settings)))
  yield* Console.log(json ? JSON.stringify(migrated) : inWords(migrated))
})

const migrate: Effect.Effect<
  Migrated,
  Effect.Error<ReturnType<typeof Migrations.run>> | Effect.Error<typeof newest>,
  SqlClient.SqlClient
> = Effect.gen(function* () {
  const from = yield* newest
  const ran = yield* Migrations.run()
  return { from, to: yield* newest, ran }
})

const newest = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [table] = yield* sql<{ readonly found: boolean }>`SELECT to_regclass('schema_migrations') IS NOT NULL AS found`
  if (table?.found !== true) return null
  const [row] = yield* sql<{ readonly label: string }>`SELECT label FROM schema_migrations ORDER BY id DESC LIMIT 1`
  return row?.label ?? null
})

const inWords = ({ from, ran, to }: Migrated): string => {
  if (ran.length === 0) return `the schema is at ${to ?? "no version"} already, nothing to do`
  const count = ran.length === 1 ? "1 migration" : `${ran.length} migrations`
  return `migrated from ${from ?? "an empty database"} to ${to ?? "no version"} (${count})`
}
