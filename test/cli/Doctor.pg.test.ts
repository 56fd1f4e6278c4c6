import { PgConnection } from "@effect/sql-pg"
import { assert, describe, it, layer } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { createServer } from "node:http"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as DatabaseChecks from "../../src/cli/doctor/DatabaseChecks.ts"
import * as Doctor from "../../src/cli/doctor/Doctor.ts"
import type { Finding } from "../../src/cli/doctor/Finding.ts"
import * as HostChecks from "../../src/cli/doctor/HostChecks.ts"
import * as LogChecks from "../../src/cli/doctor/LogChecks.ts"
import * as RedisCheck from "../../src/cli/doctor/RedisCheck.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import { appendOf } from "../support/appends.ts"
import * as Fauxqs from "../support/fauxqs.ts"
import * as Postgres from "../support/postgres.ts"
import * as Redis from "../support/redis.ts"
import * as TransactionPooler from "../support/transactionPooler.ts"
import { kintsugi } from "./kintsugi.ts"

const appText = (onWiped: string) => `import { defineApp } from "kintsugi"
export default defineApp({ stores: { inbox: { type: "folder", path: "inbox", onWiped: "${onWiped}" } } })
`

/** The findings of a check as \`status what\`. */
const of = (findings: ReadonlyArray<Finding>, check: string): string =>
  findings
    .filter((finding) => finding.check === check)
    .map(({ status, what }) => `${status} ${what}`)
    .join("; ")

/** Everything that is not in order says why, and what to type. */
const isComplete = ({ command, status, what, why }: Finding) =>
  what !== "" && (status === "ok" || status === "skipped" ? why === null : why !== null && command !== null)

let databases = 0

/** A migrated database, a data directory and an app with a folder store, all in order. */
const sound = Effect.gen(function* () {
  const { server } = yield* Postgres.TestServer
  // Below the project, so that the test runner gives the app the same `kintsugi` as us.
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(import.meta.dirname, "../../.kintsugi-doctor-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true }))
  )
  const name = `doctor_${++databases}`
  yield* Postgres.createDatabase(server, name, "kintsugi_template")
  const urlOf = (socketDir: string, database = name) =>
    `postgres://${server.username}@localhost/${database}?host=${encodeURIComponent(socketDir)}`
  const app = join(folder, "app.ts")
  writeFileSync(app, appText("heal"))
  mkdirSync(join(folder, "inbox", ".kintsugi"), { recursive: true })
  writeFileSync(join(folder, "inbox", ".kintsugi", "store"), `{"store":"inbox"}\n`)
  const flags = { app, "data-dir": join(folder, "data"), "database-url": urlOf(server.socketDir) }
  mkdirSync(flags["data-dir"])
  const examine = (given: Record<string, string> = {}, env: Record<string, string> = {}) =>
    Doctor.examine({ flags: { ...flags, ...given }, env })
  const withSql = <A, E>(run: Effect.Effect<A, E, SqlClient.SqlClient>) =>
    Effect.scoped(Effect.provide(run, Postgres.clientOf(server, name)))
  return { app, examine, flags, folder, name, server, urlOf, withSql }
})

const marked = (server: Parameters<typeof Postgres.clientOf>[0], name: string) =>
  Effect.flatMap(EventStore, (log) =>
    log.append(appendOf({ streamName: "store-inbox", events: [{ type: "StoreMarked", payload: `{"store":"inbox"}` }] }))
  ).pipe(Effect.provide(PgEventStore.layer), Effect.provide(Postgres.clientOf(server, name)), Effect.scoped)

layer(Postgres.TestServer.layer, { excludeTestServices: true })("kintsugi doctor", (it) => {
  it.effect("finds nothing wrong with a setup in order, and changes nothing in it", () =>
    Effect.gen(function* () {
      const { examine, server, name } = yield* sound
      yield* marked(server, name)
      const findings = yield* examine()
      assert.deepStrictEqual(
        findings.filter((finding) => !isComplete(finding)),
        []
      )
      // The server of the tests does without durability for speed, which is a real fault.
      assert.deepStrictEqual(
        findings.filter(({ status }) => status === "error" || status === "warning").map(({ check }) => check),
        ["durability"]
      )
      for (const check of [
        "database",
        "schema",
        "connection pooler",
        "transaction ids",
        "database clock",
        "safe horizon"
      ]) {
        assert.match(of(findings, check), /^ok /, check)
      }
      assert.strictEqual(of(findings, "store inbox"), "ok answers, bears its marker and takes a write")
      assert.strictEqual(of(findings, "server"), "ok nobody serves this database now")
    }).pipe(Effect.scoped)
  )

  it.effect("tells that a database is away, is not migrated, or was written by a newer program", () =>
    Effect.gen(function* () {
      const { examine, server, urlOf, withSql } = yield* sound
      const away = yield* examine({ "database-url": "postgres://me@127.0.0.1:1/x" })
      assert.match(of(away, "database"), /^error .*ECONNREFUSED/)
      assert.match(of(away, "store inbox"), /^ok /)

      yield* Postgres.createDatabase(server, `empty_${databases}`, "template0")
      const empty = yield* examine({ "database-url": urlOf(server.socketDir, `empty_${databases}`) })
      assert.match(of(empty, "schema"), /^warning \d+ migrations have not run, the first is 0001_/)

      yield* withSql(
        Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`INSERT INTO schema_migrations (id, label) VALUES (9999, '9999_later')`
        )
      )
      assert.match(of(yield* examine(), "schema"), /^error the database has 9999_later/)
    }).pipe(Effect.scoped)
  )

  it.effect("tells a pooler in transaction mode by what it does", () =>
    Effect.gen(function* () {
      const { examine, server, urlOf } = yield* sound
      const pooled = yield* TransactionPooler.make(server.socketDir)
      const findings = yield* examine({ "database-url": urlOf(pooled) })
      assert.match(of(findings, "connection pooler"), /^error .*: a pooler in transaction mode stands before/)
      const refused = DatabaseChecks.unreachable("unsupported startup parameter: statement_timeout")
      assert.deepStrictEqual([refused.check, refused.status], ["connection pooler", "error"])
    }).pipe(Effect.scoped)
  )

  it.effect("tells a clock that is wrong, in either direction", () =>
    Effect.gen(function* () {
      const { examine } = yield* sound
      const clock = yield* Clock.Clock
      const shifted = (ms: number): Clock.Clock =>
        Object.assign(Object.create(clock) as Clock.Clock, {
          currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + ms,
          currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + ms)
        })
      const at = (ms: number) => Effect.provideService(examine(), Clock.Clock, shifted(ms))
      assert.match(of(yield* at(20_000), "database clock"), /^warning the database's host is 20 s behind this host/)
      assert.match(of(yield* at(-3_600_000), "database clock"), /^error the database's host is 3600 s ahead of/)
    }).pipe(Effect.scoped)
  )

  it.effect("tells a read model that has stopped, and a lock without a server", () =>
    Effect.gen(function* () {
      const { examine, name, server, withSql } = yield* sound
      yield* withSql(
        Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`INSERT INTO projection_checkpoints (name, error) VALUES ('runs_v9', 'event 7 cannot be read')
            ON CONFLICT (name) DO UPDATE SET error = excluded.error`
        )
      )
      const { socketDir: host, port, username } = server
      const holder = yield* PgConnection.make({
        host,
        port,
        username,
        database: name,
        applicationName: "kintsugi 7@elsewhere"
      })
      yield* holder.queryValues("SELECT pg_advisory_lock(1802069876, 3)")
      const findings = yield* examine({ url: "http://127.0.0.1:1" })
      assert.match(of(findings, "read models"), /^error runs_v9 has stopped: event 7 cannot be read$/)
      const [stopped] = findings.filter(({ check }) => check === "read models")
      assert.strictEqual(stopped?.command, "kintsugi rebuild runs_v9")
      assert.match(
        of(findings, "server"),
        /^warning .*process 7 on elsewhere since .*no server answers at http:\/\/127/
      )

      // A server that answers there is what one hopes for.
      const url = yield* stub((_, response) => response.end("{}"))
      assert.match(of(yield* examine({ url }), "server"), /^ok /)
    }).pipe(Effect.scoped)
  )

  it.effect("tells a folder store that is gone, emptied, or takes no write, and writes to none of those", () =>
    Effect.gen(function* () {
      const { app, examine, folder, name, server } = yield* sound
      const inbox = join(folder, "inbox")
      rmSync(join(inbox, ".kintsugi"), { recursive: true })
      assert.strictEqual(of(yield* examine(), "store inbox"), "ok answers, and is not used yet")
      yield* marked(server, name)
      assert.match(of(yield* examine(), "store inbox"), /^warning answers without its marker/)
      writeFileSync(join(folder, "waits.ts"), appText("wait"))
      assert.match(
        of(yield* examine({ app: join(folder, "waits.ts") }), "store inbox"),
        /^error answers without its marker/
      )

      mkdirSync(join(inbox, ".kintsugi"))
      writeFileSync(join(inbox, ".kintsugi", "store"), "{}")
      // Root may write anywhere, but not below a file.
      writeFileSync(join(inbox, ".kintsugi-doctor"), "in the way")
      assert.match(of(yield* examine({ app }), "store inbox"), /^warning takes no write: /)
      rmSync(inbox, { recursive: true })
      assert.match(of(yield* examine({ app }), "store inbox"), /^error does not answer: /)
    }).pipe(Effect.scoped)
  )

  it.effect("tells an S3 server that is away, and one whose clock is wrong", () =>
    Effect.gen(function* () {
      const { examine, folder } = yield* sound
      let apps = 0
      const withStore = (endpoint: string, more = ", createBucket: true") => {
        // A module is loaded once.
        const file = join(folder, `s3-${++apps}.ts`)
        const store = `{ type: "s3", bucket: "lake", endpoint: "${endpoint}"${more} }`
        writeFileSync(
          file,
          `import { defineApp } from "kintsugi"\nexport default defineApp({ stores: { lake: ${store} } })\n`
        )
        return examine({ app: file })
      }
      const s3 = yield* Fauxqs.make
      const up = yield* withStore(s3.endpoint)
      assert.strictEqual(of(up, "store lake"), "ok not used yet; it is made at its first use")
      assert.match(of(up, "store lake clock"), /^ok |^skipped its answers bear no date/)
      assert.match(of(yield* withStore(s3.endpoint, ""), "store lake"), /^error does not answer: /)
      yield* s3.kill
      assert.match(of(yield* withStore(s3.endpoint), "store lake"), /^error does not answer: .*ECONNREFUSED/)

      const wrong = yield* stub((_, response) => {
        response.writeHead(200, { date: "Thu, 01 Jan 2026 00:00:00 GMT" })
        response.end()
      })
      assert.match(of(yield* withStore(wrong), "store lake clock"), /^error lake is \d+ s behind this host/)
    }).pipe(Effect.scoped)
  )

  it.effect("tells a token that others can read, one that is none, and a data directory that is a file", () =>
    Effect.gen(function* () {
      const { examine, flags, folder } = yield* sound
      const file = join(flags["data-dir"], "admin-token")
      writeFileSync(file, `${"t".repeat(43)}\n`)
      chmodSync(file, 0o644)
      assert.match(of(yield* examine(), "token file"), /^error .* can be used by other users \(mode 644\)$/)
      chmodSync(file, 0o600)
      assert.match(of(yield* examine(), "token file"), /^ok /)
      assert.match(
        of(yield* examine({}, { KINTSUGI_ADMIN_TOKEN: "short" }), "settings"),
        /^warning KINTSUGI_ADMIN_TOKEN has fewer/
      )
      writeFileSync(file, "x")
      assert.match(of(yield* examine(), "token file"), /^error .* does not hold a token/)
      writeFileSync(join(folder, "file"), "")
      assert.match(of(yield* examine({ "data-dir": join(folder, "file") }), "data directory"), /^error .* is a file/)
    }).pipe(Effect.scoped)
  )

  it.effect("tells every setting that is wrong, an app that cannot be loaded, and a bus that is away", () =>
    Effect.gen(function* () {
      const { examine } = yield* sound
      const settings = yield* examine({ port: "x" }, { KINTSUGI_RECOVERY: "maybe" })
      assert.match(of(settings, "settings"), /^error --port: .*; error KINTSUGI_RECOVERY: /)
      assert.match(of(settings, "everything else"), /^skipped/)
      const app = yield* examine({ app: "no.ts", "redis-url": "redis://127.0.0.1:1" })
      assert.match(of(app, "app"), /^error --app .* does not exist/)
      assert.match(of(app, "redis"), /^error .*ECONNREFUSED/)
    }).pipe(Effect.scoped)
  )

  it.effect("ends with 1 for what is wrong and with 0 for warnings, in words and as JSON", () =>
    Effect.gen(function* () {
      const { flags } = yield* sound
      const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])
      const run = (...more: ReadonlyArray<string>) => Effect.promise(() => kintsugi(["doctor", ...args, ...more]))
      const warned = yield* run()
      assert.deepStrictEqual([warned.code, warned.stderr], [0, ""])
      assert.match(warned.stdout, /^STATUS\s+CHECK\s+WHAT\n/)
      assert.match(warned.stdout, /\nwarning: durability\n {2}what: fsync is off\n {2}why: {2}.*\n {2}do: {3}/)
      const wrong = yield* run("--json", "--redis-url", "redis://127.0.0.1:1")
      assert.deepStrictEqual([wrong.code, wrong.stderr], [1, "kintsugi: 1 thing is wrong\n"])
      const { errors, findings, ok, warnings } = JSON.parse(wrong.stdout)
      assert.deepStrictEqual([ok, errors, warnings], [false, 1, 1])
      assert.deepStrictEqual(Object.keys(findings[0]).sort(), ["check", "command", "status", "what", "why"])
    }).pipe(Effect.scoped)
  )
})

/** A server that answers everything so. Answers its URL. */
const stub = (answer: Parameters<typeof createServer>[1] & {}) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createServer>>((resume) => {
        const server = createServer(answer as never).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close().closeAllConnections())
    ),
    (server) => `http://127.0.0.1:${(server.address() as { readonly port: number }).port}`
  )

describe("what a doctor makes of a figure", () => {
  const table: ReadonlyArray<readonly [Finding, Finding["status"]]> = [
    [HostChecks.node("22.19.0"), "ok"],
    [HostChecks.node("22.18.9"), "error"],
    [HostChecks.node("20.19.0"), "error"],
    [HostChecks.freeSpace("disk", "/", 50 * 1024 ** 3, 500 * 1024 ** 3), "ok"],
    [HostChecks.freeSpace("disk", "/", 1024 ** 3, 100 * 1024 ** 3), "warning"],
    [HostChecks.freeSpace("disk", "/", 64 * 1024 ** 2, 1024 ** 4), "error"],
    [HostChecks.freeSpace("disk", "/proc", 0, 0), "skipped"],
    [DatabaseChecks.server("DATABASE_URL", 140_009, false), "error"],
    [DatabaseChecks.server("DATABASE_URL", 180_004, true), "error"],
    [DatabaseChecks.server("DATABASE_URL", 150_000, false), "ok"],
    [DatabaseChecks.durability("on", "on"), "ok"],
    [DatabaseChecks.durability("on", "off"), "warning"],
    [DatabaseChecks.age(200_000_000), "ok"],
    [DatabaseChecks.age(500_000_000), "warning"],
    [DatabaseChecks.age(1_600_000_000), "error"],
    ...(
      [
        [9_000, "ok"],
        [11_000, "warning"],
        [600_000, "error"]
      ] as const
    ).map(([ageMs, status]) => {
      const holder = { pid: 1, ageMs, database: "d", applicationName: "psql", state: "idle in transaction" }
      return [DatabaseChecks.horizonOf(holder), status] as const
    }),
    [LogChecks.judged("read models", [{ name: "a", error: null, lagEvents: 9_999 }], () => "")[0]!, "ok"],
    [LogChecks.judged("read models", [{ name: "a", error: null, lagEvents: 10_000 }], () => "")[0]!, "warning"]
  ]

  it("is ok, a warning or an error by its bounds", () => {
    for (const [finding, status] of table) {
      assert.strictEqual(finding.status, status, finding.what)
      assert.isTrue(isComplete(finding), finding.what)
    }
  })
})

Redis.sayIfAbsent()
describe.runIf(!Redis.absent)("an event bus that is there", () => {
  it.live("is in order, unless it throws events away when its memory is full", () =>
    Effect.gen(function* () {
      const { address, client } = yield* Redis.RedisServer
      assert.match(of([yield* RedisCheck.redis(address)], "redis"), /^ok /)
      const redis = yield* client
      yield* Effect.promise(() => redis.config("SET", "maxmemory-policy", "allkeys-lru"))
      assert.match(of([yield* RedisCheck.redis(address)], "redis"), /^warning .*allkeys-lru/)
    }).pipe(Effect.provide(Redis.RedisServer.layer), Effect.scoped)
  )
})
