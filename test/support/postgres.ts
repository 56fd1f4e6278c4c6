import { PgClient, PgConnection } from "@effect/sql-pg"
import { Context, Effect, Layer } from "effect"
import type { SqlClient } from "effect/sql"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import * as Embedded from "../../src/postgres/Embedded.ts"
import * as Migrations from "../../src/postgres/Migrations.ts"

/** Another PostgreSQL's folder of programs, for example /usr/lib/postgresql/15/bin. */
export const binDir = process.env.KINTSUGI_TEST_PG_BIN

/** Durability costs time and a test's database is thrown away. */
const fast = { fsync: "off", full_page_writes: "off", synchronous_commit: "off", max_connections: "200" }

export const options = (dataDir: string, settings: Readonly<Record<string, string>> = fast): Embedded.Options => ({
  dataDir,
  settings,
  ...(binDir === undefined || binDir === "" ? {} : { binDir })
})

/** An embedded server for tests, with a migrated template database. */
export class TestServer extends Context.Service<TestServer, { readonly server: Embedded.Server }>()(
  "kintsugi/test/TestServer"
) {
  /** One server for each layer that is built: share it over a file with `it.layer` or `layer(…)`. */
  static readonly layer = Layer.effect(
    TestServer,
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const server = yield* Embedded.start(options(dataDir))
      yield* createDatabase(server, template, "template0")
      yield* Migrations.run().pipe(Effect.provide(clientOf(server, template)), Effect.scoped)
      return { server }
    })
  ).pipe(Layer.orDie)
}

/** A new migrated database of its own each time the layer is built. */
export const database: Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, never, TestServer> = Layer.unwrap(
  Effect.gen(function* () {
    const { server } = yield* TestServer
    const name = `test_${++databases}`
    yield* createDatabase(server, name, template)
    return clientOf(server, name)
  }).pipe(Effect.orDie)
).pipe(Layer.orDie, Layer.fresh)

/** A server, a migrated database and its client: everything that most tests need. */
export const layer = Layer.provideMerge(database, TestServer.layer)

/** The event store on a database of its own. */
export const eventStore = Layer.provideMerge(PgEventStore.layer, layer)

export const clientOf = (server: Embedded.Server, name: string) =>
  PgClient.layer({ host: server.socketDir, port: server.port, username: server.username, database: name })

/** `create database … template` takes 20-80 ms; nobody may be connected to the template. */
export const createDatabase = (server: Embedded.Server, name: string, from: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { database: maintenance, port, socketDir, username } = server
      const connection = yield* PgConnection.make({ host: socketDir, port, username, database: maintenance })
      yield* connection.query(`CREATE DATABASE ${name} TEMPLATE ${from}`, [], false)
    })
  )

/** A folder that is removed with the scope. Open to others, because the server may run as another user. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "kintsugi-test-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

const template = "kintsugi_template"
let databases = 0
