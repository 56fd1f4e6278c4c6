import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { readdir } from "node:fs/promises"
import { fileURLToPath, pathToFileURL } from "node:url"
import { join } from "node:path"
import * as SqlFailure from "./SqlFailure.ts"

/** The database was written by a newer Kintsugi. */
export class SchemaNewer extends Schema.TaggedError<SchemaNewer>()("SchemaNewer", {
  /** Newest migration that the database has and this program does not know, `<id>_<name>`. */
  database: Schema.String,
  /** Newest migration of this program. */
  program: Schema.String
}) {
  override get message(): string {
    return `the database's schema is at ${this.database}, but this Kintsugi knows only ${this.program}: use the newer Kintsugi`
  }
}

/** A migration did not run through; nothing of it was kept. */
export class MigrationFailed extends Schema.TaggedError<MigrationFailed>()("MigrationFailed", {
  migration: Schema.String,
  message: Schema.String,
  cause: Schema.Defect()
}) {}

interface Migration {
  readonly id: number
  /** `<id>_<name>`, the file's name. */
  readonly label: string
  readonly path: string
}

/** `pg_advisory_lock` keys of this project begin with "kint"; 1 is for migrations. */
const migrationLock = { classId: 1_802_069_876, objectId: 1 }

const defaultFolder = fileURLToPath(new URL("../../migrations", import.meta.url))

/**
 * Brings the schema up to the newest migration of `folder`: files `<id>_<name>.ts` whose default export is an Effect
 * that needs a `SqlClient`. Forward only; each runs in a transaction of its own, one process at a time. Answers the
 * labels of those that ran.
 */
export const run = Effect.fn("Migrations.run")(function* (
  folder: string = defaultFolder
): Effect.fn.Return<ReadonlyArray<string>, SchemaNewer | MigrationFailed | SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const known = yield* list(folder)
  const ran: Array<string> = []

  const applied = Effect.gen(function* () {
    yield* sql`
      CREATE TABLE IF NOT EXISTS schema_migrations (
        id integer PRIMARY KEY,
        label text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
      )`
    return yield* sql<{
      readonly id: number
      readonly label: string
    }>`SELECT id, label FROM schema_migrations ORDER BY id`
  })

  const refuseNewer = Effect.fnUntraced(function* (
    rows: ReadonlyArray<{ readonly id: number; readonly label: string }>
  ) {
    const newest = rows.filter(({ id }) => known.every((migration) => migration.id !== id)).at(-1)
    if (newest === undefined) return
    return yield* new SchemaNewer({ database: newest.label, program: known.at(-1)?.label ?? "none" })
  })

  const next = Effect.gen(function* () {
    // Two processes that start together: the second waits here, and then finds nothing left to do.
    yield* sql`SELECT pg_advisory_xact_lock(${migrationLock.classId}, ${migrationLock.objectId})`
    const rows = yield* applied
    yield* refuseNewer(rows)
    const done = new Set(rows.map(({ id }) => id))
    const migration = known.find(({ id }) => !done.has(id))
    if (migration === undefined) return null
    yield* apply(migration)
    yield* sql`INSERT INTO schema_migrations (id, label) VALUES (${migration.id}, ${migration.label})`
    return migration
  })

  while (true) {
    const migration = yield* sql.withTransaction(next)
    if (migration === null) return ran
    ran.push(migration.label)
  }
})

/** How the schema compares with `folder`, without touching it: labels still to run, and one that only a newer program has. */
export const status = Effect.fn("Migrations.status")(function* (
  folder: string = defaultFolder
): Effect.fn.Return<
  { readonly pending: ReadonlyArray<string>; readonly newer: string | null },
  MigrationFailed | SqlError,
  SqlClient.SqlClient
> {
  const sql = yield* SqlClient.SqlClient
  const known = yield* list(folder)
  const [table] = yield* sql<{ readonly found: boolean }>`SELECT to_regclass('schema_migrations') IS NOT NULL AS found`
  if (table?.found !== true) return { pending: known.map(({ label }) => label), newer: null }
  const rows = yield* sql<{ readonly id: number; readonly label: string }>`
    SELECT id, label FROM schema_migrations ORDER BY id`
  const done = new Set(rows.map(({ id }) => id))
  return {
    pending: known.filter(({ id }) => !done.has(id)).map(({ label }) => label),
    newer: rows.findLast(({ id }) => known.every((migration) => migration.id !== id))?.label ?? null
  }
})

/** `run` as a layer, to be built before whatever reads the tables. */
export const layer: Layer.Layer<never, SchemaNewer | MigrationFailed | SqlError, SqlClient.SqlClient> =
  Layer.effectDiscard(run())

const fileName = /^((\d+)_\w+)\.(?:ts|js)$/

const list = (folder: string): Effect.Effect<ReadonlyArray<Migration>, MigrationFailed> =>
  Effect.tryPromise({
    try: async () => {
      const migrations: Array<Migration> = []
      for (const file of await readdir(folder)) {
        const matched = fileName.exec(file)
        if (matched !== null) migrations.push({ id: Number(matched[2]), label: matched[1]!, path: join(folder, file) })
      }
      migrations.sort((left, right) => left.id - right.id)
      const twice = migrations.find(({ id }, index) => migrations[index + 1]?.id === id)
      if (twice !== undefined) throw new Error(`two migrations have the id ${twice.id}`)
      return migrations
    },
    catch: (cause) => new MigrationFailed({ migration: folder, message: `${folder}: ${String(cause)}`, cause })
  })

const apply = Effect.fnUntraced(function* ({
  label,
  path
}: Migration): Effect.fn.Return<void, MigrationFailed, SqlClient.SqlClient> {
  const failed = (cause: unknown) =>
    new MigrationFailed({
      migration: label,
      message: `${label}: ${isSqlError(cause) ? SqlFailure.messageOf(cause) : String(cause)}`,
      cause
    })
  const module = yield* Effect.tryPromise({ try: () => import(pathToFileURL(path).href), catch: failed })
  const migration: unknown = module.default
  if (!Effect.isEffect(migration)) return yield* failed("its default export is not an Effect")
  yield* (migration as Effect.Effect<unknown, unknown, SqlClient.SqlClient>).pipe(Effect.mapError(failed))
})
