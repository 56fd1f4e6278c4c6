import { PgClient, PgConnection } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Layer, Scope } from "effect"
import * as ProcessLock from "../../src/postgres/ProcessLock.ts"
import * as PgProxy from "../support/pgProxy.ts"
import { database, TestServer } from "../support/postgres.ts"

/** What another process would do: take the lock under its own name. */
const lockAs = Effect.fnUntraced(function* (applicationName: string) {
  const { config } = yield* PgClient.PgClient
  const connection = yield* PgConnection.make({ ...config, applicationName })
  const rows = yield* connection.queryValues("SELECT pg_try_advisory_lock(1802069876, 3)")
  assert.deepStrictEqual(rows, [[true]])
  return connection
})

const acquired = Layer.build(Layer.fresh(ProcessLock.layer))

layer(TestServer.layer, { excludeTestServices: true })("the process lock", (it) => {
  it.effect("refuses a second process and says which process serves, where, and since when", () =>
    Effect.gen(function* () {
      const began = yield* Clock.currentTimeMillis
      yield* lockAs("kintsugi 4711@workshop")
      const refused = yield* Effect.flip(acquired)
      assert(refused._tag === "AlreadyServed")
      assert.deepInclude(refused, { pid: 4711, host: "workshop" })
      assert.match(refused.message, /already served by process 4711 on workshop since 20\d\d-\d\d-\d\dT[\d:]+Z$/)
      assert.isAbove((yield* Clock.currentTimeMillis) - began, 1_900)
    }).pipe(Effect.provide(database), Effect.scoped)
  )

  it.effect("waits for the session of a killed owner to go", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Scope.provide(lockAs("kintsugi 4711@workshop"), scope)
      const waiting = yield* Effect.forkChild(acquired, { startImmediately: true })
      yield* Effect.sleep("300 millis")
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(waiting)
    }).pipe(Effect.provide(database), Effect.scoped)
  )

  it.effect("is free again when its owner ends", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(acquired)
      yield* Effect.scoped(acquired)
      yield* lockAs("kintsugi 1@a")
    }).pipe(Effect.provide(database), Effect.scoped)
  )

  it.effect("is taken again after its session was cut, and nobody else gets it then", () =>
    Effect.gen(function* () {
      const context = yield* acquired
      const { config } = yield* PgClient.PgClient
      const connection = yield* PgConnection.make(config)
      const holder = `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 3 AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
      const [before] = yield* connection.queryValues(holder)
      yield* connection.queryValues("SELECT pg_terminate_backend($1::int)", [before![0]])
      const after = yield* connection
        .queryValues(holder)
        .pipe(Effect.repeat({ until: (rows) => rows.length > 0 && rows[0]![0] !== before![0] }))
      assert.strictEqual(after.length, 1)
      const lost = yield* Effect.forkChild(Context.get(context, ProcessLock.ProcessLock).lost, {
        startImmediately: true
      })
      yield* Effect.yieldNow
      assert.isUndefined(lost.pollUnsafe())
    }).pipe(Effect.provide(database), Effect.scoped)
  )

  it.effect("is lost when somebody else takes it while the database is out of reach, and says who", () =>
    Effect.gen(function* () {
      const { config } = yield* PgClient.PgClient
      const proxy = yield* PgProxy.make(config.host!)
      const through = PgClient.layer({ ...config, host: proxy.socketDir })
      const context = yield* Layer.build(Layer.fresh(ProcessLock.layer.pipe(Layer.provide(through))))
      yield* proxy.set("refuse")
      const connection = yield* PgConnection.make(config)
      yield* connection.queryValues(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name LIKE 'kintsugi %@%' AND datname = current_database()`
      )
      yield* lockAs("kintsugi 4711@workshop").pipe(Effect.retry({ times: 20 }))
      yield* proxy.set("pass")
      const other = yield* Context.get(context, ProcessLock.ProcessLock).lost
      assert.deepInclude(other, { pid: 4711, host: "workshop" })
    }).pipe(Effect.provide(database), Effect.scoped)
  )
})
