import { assert, layer } from "@effect/vitest"
import { Clock, Effect, Fiber, Latch, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { type Handler, type Projection, undecodable } from "../../src/projections/Projection.ts"
import { ProjectionRunner } from "../../src/projections/ProjectionRunner.ts"
import * as Rebuild from "../../src/projections/Rebuild.ts"
import { database, TestLog, type Written } from "./support.ts"

/** Sums `n` of each event into a table of its own; stops at a `Poison` until it is told to read it. */
const sums = (name: `${string}_v${number}`, category: string) => {
  const batches: Array<number> = []
  const settings = { readsPoison: false, breaksSql: false }
  const make = (): Handler => ({
    forget: () => {},
    handle: Effect.fnUntraced(function* (events) {
      const sql = yield* SqlClient.SqlClient
      batches.push(events.length)
      let sum = 0
      for (const event of events) {
        if (event.type === "Poison" && !settings.readsPoison) return yield* undecodable(event, "it is poison")
        sum += event.data<{ readonly n: number }>().n
      }
      yield* sql`INSERT INTO ${sql(name)} (n) VALUES (${sum})`
      if (settings.breaksSql) yield* sql`INSERT INTO ${sql(name)} (n) VALUES (${"x"}::text::int)`
    })
  })
  const projection: Projection = { name, categories: [category], tables: [name], make }
  const total = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ total: number }>`SELECT coalesce(sum(n), 0)::float8 AS total FROM ${sql(name)}`
    return row!.total
  })
  return { projection, batches, settings, total }
}

const event = (category: string, n: number, type = "Added"): Written => ({
  stream: `${category}-1`,
  type,
  data: { n },
  at: 1_000
})

const fresh = Effect.fnUntraced(function* (...projections: ReadonlyArray<Projection>) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`TRUNCATE projection_checkpoints`
  for (const { name } of projections) {
    yield* sql`DROP TABLE IF EXISTS ${sql(name)}`
    yield* sql`CREATE TABLE ${sql(name)} (n int NOT NULL) WITH (fillfactor = 77)`
  }
})

/** The projection of most tests, with nothing in its table, and its log. */
const summed = Effect.fnUntraced(function* (...written: ReadonlyArray<Written>) {
  const log = new TestLog()
  const a = sums("a_v1", "a")
  yield* fresh(a.projection)
  log.append(...written)
  return { a, log }
})

const withRunner = <A, E, R>(log: TestLog, projections: ReadonlyArray<Projection>, test: Effect.Effect<A, E, R>) =>
  test.pipe(Effect.provide(ProjectionRunner.layer(projections).pipe(Layer.provide(log.layer))))

const end = (log: TestLog) => TestLog.position(log.events.length)

layer(database, { timeout: 60_000, excludeTestServices: true })("the projection runner", (it) => {
  it.effect("feeds every event once, across restarts", () =>
    Effect.gen(function* () {
      const { a, log } = yield* summed()
      for (let restart = 0; restart < 3; restart++) {
        log.append(event("a", 1), event("other", 100), event("a", 2))
        yield* withRunner(
          log,
          [a.projection],
          Effect.gen(function* () {
            const runner = yield* ProjectionRunner
            yield* runner.waitFor(end(log))
            assert.strictEqual(yield* a.total, 3 * (restart + 1))
          })
        )
      }
    })
  )

  it.effect("shows a lone event when it is told of it, and not at its next look", () =>
    Effect.gen(function* () {
      const { a, log } = yield* summed()
      yield* withRunner(
        log,
        [a.projection],
        Effect.gen(function* () {
          const runner = yield* ProjectionRunner
          log.append(event("a", 1))
          yield* runner.waitFor(end(log))
          const took: Array<number> = []
          // A machine under load may be late once; who does not take the hint is late each time.
          while (took.length < 20 && Math.min(...took) >= 100) {
            // Idle for long, it looks seldom.
            yield* Effect.sleep("300 millis")
            const began = yield* Clock.currentTimeMillis
            log.append(event("a", 1))
            yield* log.hint
            while ((yield* a.total) < took.length + 2) yield* Effect.sleep("2 millis")
            took.push((yield* Clock.currentTimeMillis) - began)
          }
          assert.isBelow(Math.min(...took), 100, `ms from each append: ${took.join(", ")}`)
        })
      )
    })
  )

  it.effect("has reached the head of an empty log from the beginning", () =>
    Effect.gen(function* () {
      const { a, log } = yield* summed()
      yield* withRunner(
        log,
        [a.projection],
        Effect.flatMap(ProjectionRunner, (runner) => runner.waitFor(end(log), { timeoutMs: 0 }))
      )
    })
  )

  it.effect("finds events that nobody has hinted at", () =>
    Effect.gen(function* () {
      const { a, log } = yield* summed()
      yield* withRunner(
        log,
        [a.projection],
        Effect.gen(function* () {
          yield* Effect.sleep("100 millis")
          log.append(event("a", 1))
          while ((yield* a.total) < 1) yield* Effect.sleep("10 millis")
        })
      )
    })
  )

  it.effect("parks a poisoned projection with its error, and the others go on", () =>
    Effect.gen(function* () {
      const log = new TestLog()
      const [a, b] = [sums("a_v1", "a"), sums("b_v1", "b")]
      yield* fresh(a.projection, b.projection)
      log.append(event("a", 1), event("b", 1))
      yield* withRunner(
        log,
        [a.projection, b.projection],
        Effect.gen(function* () {
          const runner = yield* ProjectionRunner
          yield* runner.waitFor(end(log))
          const before = end(log)
          const poisoned = log.append(event("a", 5, "Poison"), event("b", 1))
          yield* runner.waitFor(poisoned, { name: "b_v1" })
          assert.strictEqual(yield* b.total, 2)
          assert.strictEqual(yield* a.total, 1)
          const [statusA, statusB] = yield* runner.status
          assert.include(statusA!.error!, "event Poison (version 2 of a-1")
          assert.strictEqual(statusA!.position, before)
          assert.strictEqual(statusA!.lagEvents, 2)
          assert.isNull(statusB!.error)
          assert.strictEqual(statusB!.lagEvents, 0)
          const behind = yield* Effect.flip(runner.waitFor(poisoned, { name: "a_v1" }))
          assert.deepInclude(behind, { _tag: "ProjectionBehind", projection: "a_v1", error: statusA!.error })
          // Whoever asks for all of them is not held up by a parked one.
          yield* runner.waitFor(poisoned)
          a.settings.readsPoison = true
          assert.deepStrictEqual(yield* runner.rebuild("a_v1"), { events: 2 }, "only those of its category are read")
          assert.strictEqual(yield* a.total, 6)
          assert.isNull((yield* runner.status)[0]!.error)
          log.append(event("a", 1), event("b", 1))
          yield* runner.waitFor(end(log))
          assert.strictEqual(yield* a.total, 7)
        })
      )
    })
  )

  it.effect("parks a projection whose data the database refuses, and rolls back what it had written", () =>
    Effect.gen(function* () {
      const log = new TestLog()
      const [a, b] = [sums("a_v1", "a"), sums("b_v1", "b")]
      yield* fresh(a.projection, b.projection)
      b.settings.breaksSql = true
      log.append(event("a", 1), event("b", 1))
      yield* withRunner(
        log,
        [a.projection, b.projection],
        Effect.gen(function* () {
          const runner = yield* ProjectionRunner
          yield* runner.waitFor(end(log), { name: "a_v1" })
          assert.strictEqual(yield* a.total, 1)
          assert.strictEqual(yield* b.total, 0)
          assert.include((yield* runner.status)[1]!.error!, "22P02")
        })
      )
    })
  )

  it.effect("lets a new projection catch up beside the others and join them", () =>
    Effect.gen(function* () {
      const log = new TestLog()
      const [a, b] = [sums("a_v1", "a"), sums("b_v1", "b")]
      yield* fresh(a.projection, b.projection)
      for (let n = 0; n < 5_000; n++) log.append(event("a", 1), event("b", 1))
      yield* withRunner(
        log,
        [a.projection],
        Effect.flatMap(ProjectionRunner, (runner) => runner.waitFor(end(log)))
      )
      log.append(event("a", 1), event("b", 1))
      yield* withRunner(
        log,
        [a.projection, b.projection],
        Effect.gen(function* () {
          const runner = yield* ProjectionRunner
          yield* runner.waitFor(end(log))
          assert.strictEqual(yield* a.total, 5_001)
          assert.strictEqual(yield* b.total, 5_001)
          const [statusA, statusB] = yield* runner.status
          assert.strictEqual(statusA!.position, statusB!.position)
        })
      )
    })
  )

  it.effect("rebuilds into fresh tables while readers see the old ones", () =>
    Effect.gen(function* () {
      const log = new TestLog()
      const a = sums("a_v1", "a")
      const sql = yield* SqlClient.SqlClient
      yield* fresh(a.projection)
      for (let n = 0; n < 20_000; n++) log.append(event("a", 1))
      yield* withRunner(
        log,
        [a.projection],
        Effect.gen(function* () {
          const runner = yield* ProjectionRunner
          yield* runner.waitFor(end(log))
          yield* sql`UPDATE a_v1 SET n = 0`
          const rebuild = yield* Effect.forkChild(runner.rebuild("a_v1"))
          const seen = new Set<number>()
          while (rebuild.pollUnsafe() === undefined) {
            seen.add(yield* a.total)
            log.append(event("a", 1))
            yield* Effect.yieldNow
          }
          yield* Fiber.join(rebuild)
          yield* runner.waitFor(end(log))
          assert.strictEqual(yield* a.total, log.events.length)
          assert.isTrue(
            [...seen].every((total) => total < 15_000 || total >= 20_000),
            "no reader saw a half built table"
          )
          const settings = yield* sql`SELECT reloptions::text AS options FROM pg_class WHERE oid = 'a_v1'::regclass`
          assert.deepStrictEqual(settings, [{ options: "{fillfactor=77}" }])
          const schemas = yield* sql`SELECT nspname FROM pg_namespace WHERE nspname LIKE 'rebuild%'`
          assert.deepStrictEqual(schemas, [])
          const left = yield* sql`SELECT name FROM projection_checkpoints ORDER BY name`
          assert.deepStrictEqual(left, [{ name: "a_v1" }])
        })
      )
    })
  )

  it.effect("gives a rebuild up at an event that it cannot read, and leaves the read model as it was", () =>
    Effect.gen(function* () {
      const { a, log } = yield* summed()
      a.settings.readsPoison = true
      log.append(event("a", 1, "Poison"))
      yield* withRunner(
        log,
        [a.projection],
        Effect.gen(function* () {
          const runner = yield* ProjectionRunner
          yield* runner.waitFor(end(log))
          a.settings.readsPoison = false
          const failed = yield* Effect.flip(runner.rebuild("a_v1"))
          assert.strictEqual(failed._tag, "RebuildFailed")
          assert.strictEqual(yield* a.total, 1)
          assert.isNull((yield* runner.status)[0]!.error)
          log.append(event("a", 1))
          yield* runner.waitFor(end(log))
          assert.strictEqual(yield* a.total, 2)
        })
      )
    })
  )

  it.effect("gives a rebuild up whose tables another process took away, and writes nothing into the live ones", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { a, log } = yield* summed(event("a", 1), event("a", 2))
      const reached = yield* Latch.make()
      const go = yield* Latch.make()
      let isHeld = false
      const held: Projection = {
        ...a.projection,
        make: () => {
          const handler = a.projection.make()
          const wait = Effect.suspend(() => (isHeld ? Effect.andThen(reached.open, go.await) : Effect.void))
          return { ...handler, handle: (events) => Effect.andThen(wait, handler.handle(events)) }
        }
      }
      yield* withRunner(
        log,
        [held],
        Effect.gen(function* () {
          const runner = yield* ProjectionRunner
          yield* runner.waitFor(end(log))
          isHeld = true
          const rebuild = yield* Effect.forkChild(Effect.flip(runner.rebuild("a_v1")))
          yield* reached.await
          assert.deepStrictEqual(yield* Rebuild.leftovers(sql, new Set(["a_v1"])), ["a_v1"])
          isHeld = false
          yield* go.open
          assert.match((yield* Fiber.join(rebuild)).message, /its fresh tables were taken away/)
          assert.strictEqual(yield* a.total, 3)
          // Its wish is the other's to keep.
          assert.deepStrictEqual(yield* Rebuild.leftovers(sql, new Set(["a_v1"])), ["a_v1"])
        })
      )
    })
  )

  it.effect("does not wait for a vacuum of the log to rebuild, nor for anybody's lock to end", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { a, log } = yield* summed(event("a", 1))
      const holding = Effect.fnUntraced(function* (lock: string) {
        const isHeld = yield* Latch.make()
        const locked = Effect.andThen(sql.unsafe(lock), Effect.andThen(isHeld.open, Effect.never))
        const holder = yield* Effect.forkChild(sql.withTransaction(locked))
        yield* isHeld.await
        return holder
      })
      yield* withRunner(
        log,
        [a.projection],
        Effect.gen(function* () {
          const runner = yield* ProjectionRunner
          yield* runner.waitFor(end(log))
          // What VACUUM takes.
          const vacuum = yield* holding("LOCK TABLE events, streams IN SHARE UPDATE EXCLUSIVE MODE")
          yield* Effect.timeout(runner.rebuild("a_v1"), "5 seconds")
          yield* Fiber.interrupt(vacuum)
          const holder = yield* holding("LOCK TABLE a_v1 IN ACCESS EXCLUSIVE MODE")
          const rebuild = yield* Effect.forkChild(runner.rebuild("a_v1"))
          yield* Effect.sleep("100 millis")
          yield* Effect.timeout(Fiber.interrupt(rebuild), "5 seconds")
          yield* Fiber.interrupt(holder)
        })
      )
    })
  )

  it.effect("loses to another process that moves the checkpoint, and applies nothing twice", () =>
    Effect.gen(function* () {
      const { a, log } = yield* summed()
      const position = Effect.flatMap(ProjectionRunner, (runner) => runner.waitFor(end(log)))
      yield* withRunner(
        log,
        [a.projection],
        withRunner(
          log,
          [a.projection],
          Effect.gen(function* () {
            for (let n = 0; n < 50; n++) {
              log.append(event("a", 1))
              yield* log.hint
              yield* Effect.sleep("10 millis")
            }
            yield* position
          })
        )
      )
      assert.strictEqual(yield* a.total, 50)
    })
  )

  it.effect("says what it knows while the log hangs", () =>
    Effect.gen(function* () {
      const { a, log } = yield* summed()
      yield* withRunner(
        log,
        [a.projection],
        Effect.gen(function* () {
          const runner = yield* ProjectionRunner
          log.append(event("a", 1))
          yield* runner.waitFor(end(log))
          log.isHanging = true
          const known = yield* Effect.timeoutOption(runner.status, "20 seconds")
          assert(known._tag === "Some", "it waits for the log")
          assert.deepInclude(known.value[0], { name: "a_v1", position: end(log), lagEvents: null })
        })
      )
    })
  )

  it.effect("goes on after the log was away", () =>
    Effect.gen(function* () {
      const { a, log } = yield* summed()
      yield* withRunner(
        log,
        [a.projection],
        Effect.gen(function* () {
          const runner = yield* ProjectionRunner
          log.isAway = true
          log.append(event("a", 1))
          const behind = yield* Effect.flip(runner.waitFor(end(log), { timeoutMs: 300 }))
          assert.deepInclude(behind, { _tag: "ProjectionBehind", error: null })
          log.isAway = false
          yield* runner.waitFor(end(log))
          assert.strictEqual(yield* a.total, 1)
        })
      )
    })
  )
})
