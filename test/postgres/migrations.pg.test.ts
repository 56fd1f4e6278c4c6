import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Migrations from "../../src/postgres/Migrations.ts"
import { clientOf, createDatabase, temporaryFolder, TestServer } from "../support/postgres.ts"

let databases = 0

const empty = Layer.unwrap(
  Effect.gen(function* () {
    const { server } = yield* TestServer
    const name = `empty_${++databases}`
    yield* createDatabase(server, name, "template0")
    return clientOf(server, name)
  })
).pipe(Layer.orDie, Layer.fresh)

/** A folder of migrations, each of which runs the SQL that it is given. */
const folderOf = Effect.fnUntraced(function* (files: Readonly<Record<string, string>>) {
  const folder = join(yield* temporaryFolder, "migrations")
  yield* Effect.promise(async () => {
    await mkdir(folder)
    for (const [file, statement] of Object.entries(files)) {
      await writeFile(
        join(folder, file),
        `import { Effect } from ${JSON.stringify(import.meta.resolve("effect"))}
         import { SqlClient } from ${JSON.stringify(import.meta.resolve("effect/sql"))}
         export default Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(${JSON.stringify(statement)}))`
      )
    }
  })
  return folder
})

layer(TestServer.layer, { excludeTestServices: true })("migrations", (it) => {
  it.effect("run once, in order, also when two processes start together", () =>
    Effect.gen(function* () {
      const [first, second] = yield* Effect.all([Migrations.run(), Migrations.run()], { concurrency: 2 })
      const ran = [...first, ...second]
      assert.deepStrictEqual(ran, [...new Set(ran)])
      assert.include(ran, "0001_event_log")
      assert.deepStrictEqual(yield* Migrations.run(), [])
    }).pipe(Effect.provide(empty), Effect.scoped)
  )

  it.effect("that came later run on an older schema, forward only", () =>
    Effect.gen(function* () {
      const old = yield* folderOf({ "0001_a.ts": "CREATE TABLE a ()" })
      const newer = yield* folderOf({ "0001_a.ts": "CREATE TABLE a ()", "0010_b.ts": "CREATE TABLE b ()" })
      assert.deepStrictEqual(yield* Migrations.run(old), ["0001_a"])
      assert.deepStrictEqual(yield* Migrations.run(newer), ["0010_b"])
    }).pipe(Effect.provide(empty), Effect.scoped)
  )

  it.effect("refuse a schema that is newer than the program, naming both versions", () =>
    Effect.gen(function* () {
      const newer = yield* folderOf({ "0001_a.ts": "CREATE TABLE a ()", "0002_b.ts": "CREATE TABLE b ()" })
      const old = yield* folderOf({ "0001_a.ts": "CREATE TABLE a ()" })
      yield* Migrations.run(newer)
      const refused = yield* Effect.flip(Migrations.run(old))
      assert(refused._tag === "SchemaNewer")
      assert.deepInclude(refused, { database: "0002_b", program: "0001_a" })
      assert.match(refused.message, /at 0002_b, but this Kintsugi knows only 0001_a/)
    }).pipe(Effect.provide(empty), Effect.scoped)
  )

  it.effect("that fail leave nothing behind, keep the real cause, and can run again when they are mended", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const broken = yield* folderOf({ "0001_a.ts": "CREATE TABLE a ()", "0002_b.ts": "CREATE TABLE a ()" })
      const failed = yield* Effect.flip(Migrations.run(broken))
      assert(failed._tag === "MigrationFailed")
      assert.strictEqual(failed.migration, "0002_b")
      assert.match(failed.message, /relation "a" already exists/)
      assert.deepStrictEqual(yield* sql`SELECT label FROM schema_migrations`, [{ label: "0001_a" }])
      const mended = yield* folderOf({ "0001_a.ts": "CREATE TABLE a ()", "0002_b.ts": "CREATE TABLE b ()" })
      assert.deepStrictEqual(yield* Migrations.run(mended), ["0002_b"])
    }).pipe(Effect.provide(empty), Effect.scoped)
  )
})
