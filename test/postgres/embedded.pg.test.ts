import { PgConnection } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Layer, Schedule, Scope } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, readdir, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import * as Verification from "../../src/eventstore/Verification.ts"
import * as Database from "../../src/postgres/Database.ts"
import * as Embedded from "../../src/postgres/Embedded.ts"
import * as Migrations from "../../src/postgres/Migrations.ts"
import * as PostmasterFile from "../../src/postgres/PostmasterFile.ts"
import { appendOf, lastHash } from "../support/appends.ts"
import { options, temporaryFolder } from "../support/postgres.ts"

const holder = new URL("../support/embeddedHolder.ts", import.meta.url).pathname

/** Another process that holds the embedded server of `dataDir`. */
const hold = (dataDir: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn(process.execPath, [holder, dataDir], { stdio: ["ignore", "pipe", "inherit"] })
      const [line] = (await once(child.stdout, "data")) as [Buffer]
      return { child, said: line.toString().trim() }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

const kill = ({ child }: { readonly child: ReturnType<typeof spawn> }, signal: NodeJS.Signals) =>
  Effect.promise(async () => {
    const exited = once(child, "exit")
    child.kill(signal)
    await exited
  })

const pidOf = (dataDir: string) =>
  Effect.map(PostmasterFile.read(join(dataDir, "postgres")), (postmaster) => postmaster!.pid)

const ask = ({ database, port, socketDir, username }: Embedded.Server, sql: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* PgConnection.make({ host: socketDir, port, username, database })
      return yield* connection.queryValues(sql)
    })
  )

describe("the embedded server", () => {
  it.live("is created, started, stopped and started again with its data, durable and without TCP", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const durable = options(dataDir, {})
      yield* Effect.scoped(
        Effect.gen(function* () {
          const server = yield* Embedded.start(durable)
          assert.isFalse(server.adopted)
          assert.strictEqual((yield* Effect.promise(() => stat(server.socketDir))).mode & 0o777, 0o700)
          yield* ask(server, "CREATE TABLE kept (n int)")
          const settings = "fsync,synchronous_commit,full_page_writes,listen_addresses"
          const rows = yield* ask(
            server,
            `SELECT string_agg(current_setting(n), ',' ORDER BY o)
              FROM unnest('{${settings}}'::text[]) WITH ORDINALITY AS s (n, o)`
          )
          assert.deepStrictEqual(rows, [["on,on,on,"]])
        })
      )
      assert.isNull(yield* PostmasterFile.read(join(dataDir, "postgres")))
      const began = yield* Clock.currentTimeMillis
      const server = yield* Embedded.start(durable)
      assert.isBelow((yield* Clock.currentTimeMillis) - began, 1_000)
      assert.deepStrictEqual(yield* ask(server, "SELECT count(*)::int FROM kept"), [[0]])
    }).pipe(Effect.scoped)
  )

  it.live("is adopted when its process was killed, and stopped by the one that adopted it", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const first = yield* hold(dataDir)
      const pid = yield* pidOf(dataDir)
      yield* kill(first, "SIGKILL")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const server = yield* Embedded.start(options(dataDir))
          assert.isTrue(server.adopted)
          assert.strictEqual(yield* pidOf(dataDir), pid)
          yield* ask(server, "SELECT 1")
        })
      )
      assert.isFalse(yield* PostmasterFile.isAlive(pid))
    }).pipe(Effect.scoped)
  )

  it.live("is left running by a process that ends while another one uses it", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const server = yield* Embedded.start(options(dataDir))
      const second = yield* hold(dataDir)
      assert.strictEqual(second.said, "ready true")
      yield* kill(second, "SIGTERM")
      yield* ask(server, "SELECT 1")
    }).pipe(Effect.scoped)
  )

  it.live("is one server when two processes start it at the same moment in an empty folder", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const holders = yield* Effect.all([hold(dataDir), hold(dataDir)], { concurrency: 2 })
      assert.deepStrictEqual(holders.map(({ said }) => said).sort(), ["ready false", "ready true"])
      yield* Effect.all(
        holders.map((each) => kill(each, "SIGTERM")),
        { concurrency: 2 }
      )
      assert.isNull(yield* PostmasterFile.read(join(dataDir, "postgres")))
    }).pipe(Effect.scoped)
  )

  it.live("starts after an initdb that was killed half-way, and removes what it left", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      yield* Effect.promise(async () => {
        const half = join(dataDir, "postgres.tmp-999999")
        await mkdir(join(half, "base"), { recursive: true })
        await writeFile(join(half, "PG_VERSION"), "18\n")
      })
      const server = yield* Embedded.start(options(dataDir))
      yield* ask(server, "SELECT 1")
      const left = yield* Effect.promise(() => readdir(dataDir))
      assert.deepStrictEqual(
        left.filter((name) => name.includes("tmp")),
        []
      )
    }).pipe(Effect.scoped)
  )

  it.live("starts over a postmaster.pid that names another program", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      yield* Effect.scoped(Embedded.start(options(dataDir)))
      const stale = `${process.pid}\n${join(dataDir, "postgres")}\n1\n5432\n${dataDir}\n\n1 1\nready   \n`
      yield* Effect.promise(() => writeFile(join(dataDir, "postgres", "postmaster.pid"), stale))
      yield* ask(yield* Embedded.start(options(dataDir)), "SELECT 1")
    }).pipe(Effect.scoped)
  )

  it.live("puts its socket elsewhere when the data directory is too deep for one", () =>
    Effect.gen(function* () {
      const dataDir = join(yield* temporaryFolder, "deep".repeat(30))
      const server = yield* Embedded.start(options(dataDir))
      assert.isBelow(PostmasterFile.socketPath(server.socketDir, server.port).length, 108)
      yield* ask(server, "SELECT 1")
    }).pipe(Effect.scoped)
  )

  it.live("says in one line which data directory cannot be written, and why", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryFolder, "file")
      yield* Effect.promise(() => writeFile(file, ""))
      for (const dataDir of [join(file, "data"), "/proc/kintsugi"]) {
        const error = yield* Effect.flip(Embedded.start(options(dataDir)))
        assert(error._tag === "EmbeddedFailed")
        assert.match(
          error.message,
          /^\S+: the data directory cannot be written \(--data-dir, KINTSUGI_DATA_DIR\): E\w+/
        )
        assert.notInclude(error.message, "\n")
      }
    }).pipe(Effect.scoped)
  )

  it.live(
    "killed twice under load: no acknowledged append is lost, none is written twice, and every append ends well",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* temporaryFolder
        const store = PgEventStore.layer.pipe(
          Layer.provideMerge(Migrations.layer),
          Layer.provideMerge(Database.layer({ kind: "embedded", ...options(dataDir, {}) }))
        )
        const streams = 40
        const appendsEach = 60
        yield* Effect.gen(function* () {
          const { append, read } = yield* EventStore
          let acknowledged = 0
          let killed = 0
          const write = Effect.fnUntraced(function* (streamName: string) {
            let after = ""
            for (let nth = 0; nth < appendsEach; nth++) {
              const next = appendOf({ streamName, expectedVersion: nth * 2, after, events: [{}, {}], wakeAt: 1 })
              yield* append(next)
              acknowledged++
              after = lastHash(next)
            }
          })
          const breakIt = Effect.fnUntraced(function* (whenAcknowledged: number) {
            while (acknowledged < whenAcknowledged) yield* Effect.sleep("1 millis")
            const server = yield* PostmasterFile.read(join(dataDir, "postgres")).pipe(
              Effect.repeat({ until: (found) => found !== null && found.status === "ready" && found.pid !== killed })
            )
            killed = server!.pid
            process.kill(killed, "SIGKILL")
          })
          const names = Array.from({ length: streams }, (_, nth) => `run-${nth}`)
          yield* Effect.all(
            [Effect.forEach(names, write, { concurrency: "unbounded" }), breakIt(400), breakIt(1_400)],
            {
              concurrency: "unbounded"
            }
          )
          assert.strictEqual(acknowledged, streams * appendsEach)
          // The last appends may have been answered by a session that outlived its server: reads say so, and later work.
          yield* Effect.retry(read(names[0]!, 0), Schedule.spaced("50 millis"))
          for (const name of names) assert.strictEqual((yield* read(name, 0)).length, appendsEach * 2)
          const { breaks, events } = yield* Verification.chains
          assert.deepStrictEqual({ breaks, events }, { breaks: [], events: streams * appendsEach * 2 })
        }).pipe(Effect.provide(store))
      }).pipe(Effect.scoped)
  )

  it.live("is stopped when its start is interrupted", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      yield* Effect.scoped(Embedded.start(options(dataDir)))
      const scope = yield* Scope.make()
      yield* Embedded.start(options(dataDir)).pipe(Effect.timeout("5 millis"), Scope.provide(scope), Effect.ignore)
      yield* Scope.close(scope, Exit.void)
      assert.isNull(yield* PostmasterFile.read(join(dataDir, "postgres")))
    }).pipe(Effect.scoped)
  )
})
