import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Logger, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { subscription } from "../../src/bus/Publisher.ts"
import { streamName } from "../../src/domain/ProjectionSteering.ts"
import { EventStore, type Position } from "../../src/eventstore/EventStore.ts"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import { ProjectionControl } from "../../src/http/ProjectionControl.ts"
import { allProjections } from "../../src/projections/AllProjections.ts"
import * as Comparison from "../../src/projections/Comparison.ts"
import { type Projection, unknownType } from "../../src/projections/Projection.ts"
import { ProjectionRunner } from "../../src/projections/ProjectionRunner.ts"
import * as QueueHealthHistory from "../../src/projections/QueueHealthHistory.ts"
import { write } from "../audit/logs.ts"
import { database, TestServer } from "../support/postgres.ts"

/** Adds up what events of `a` streams say; `Poison` is no event that it knows, and text no number that it can add. */
const sums = {
  name: "sums_v1",
  categories: ["a"],
  tables: ["sums_v1"],
  make: () => ({
    forget: () => {},
    handle: Effect.fnUntraced(function* (events) {
      const sql = yield* SqlClient.SqlClient
      for (const event of events) {
        if (event.type === "Poison") return yield* unknownType(event)
      }
      const added = events.map((event) => event.data<{ readonly n: string }>().n).join("+")
      yield* sql`INSERT INTO sums_v1 SELECT part::int FROM unnest(string_to_array(${added}::text, '+')) part`
    })
  })
} satisfies Projection

const setUp = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE sums_v1 (n int NOT NULL)`
})
const total = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return (yield* sql<{ n: number }>`SELECT coalesce(sum(n), 0)::int AS n FROM sums_v1`)[0]!.n
})
const running = <A, E, R>(body: Effect.Effect<A, E, R>, projections: ReadonlyArray<Projection> = [sums]) =>
  Effect.provide(
    body,
    ProjectionControl.layer.pipe(Layer.provideMerge(ProjectionRunner.layer(projections)), Layer.fresh)
  ).pipe(Effect.scoped)
const add = (...texts: ReadonlyArray<string>) =>
  write({
    streamName: "a-1",
    events: texts.map((n) => ({ type: n === "poison" ? "Poison" : "Added", payload: JSON.stringify({ n }) }))
  })
const statusOf = (name = "sums_v1") =>
  Effect.gen(function* () {
    const runner = yield* ProjectionRunner
    return (yield* runner.status).find((status) => status.name === name)!
  })
const parked = Effect.gen(function* () {
  const status = yield* statusOf()
  if (status.error === null) return yield* Effect.fail("not parked" as const)
  return status
}).pipe(Effect.retry({ schedule: Schedule.spaced("20 millis"), times: 300 }))
const rebuilt = Effect.gen(function* () {
  const { lastRebuild } = yield* statusOf()
  if (lastRebuild === null) return yield* Effect.fail("not rebuilt" as const)
  return lastRebuild
}).pipe(Effect.retry({ schedule: Schedule.spaced("20 millis"), times: 300 }))
/** Asks for a rebuild while somebody reads the old table, and does `body` once it only waits for that one. */
const heldUp = <A, E, R>(body: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const reads = yield* Deferred.make<void>()
    const hasRead = yield* Deferred.make<void>()
    const reader = yield* Effect.forkChild(
      sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`SELECT n FROM sums_v1`
          yield* Deferred.succeed(reads, undefined)
          yield* Deferred.await(hasRead)
        })
      )
    )
    yield* Deferred.await(reads)
    yield* (yield* ProjectionControl).rebuild("sums_v1", "", { principal: "dana" })
    const isLevel = Effect.gen(function* () {
      const { rebuild } = yield* statusOf()
      if (rebuild?.lagEvents !== 0) return yield* Effect.fail("not level" as const)
    })
    yield* Effect.retry(isLevel, { schedule: Schedule.spaced("20 millis"), times: 300 })
    // Long enough for some attempts to switch.
    yield* Effect.sleep("500 millis")
    yield* Effect.ensuring(body, Effect.andThen(Deferred.succeed(hasRead, undefined), Fiber.await(reader)))
  })
const positionAt = (version: number) =>
  Effect.gen(function* () {
    const [event] = yield* (yield* EventStore).read("a-1", version - 1, 1)
    return event!.position
  })
const level = (position: Position) =>
  Effect.flatMap(ProjectionRunner, (runner) => runner.waitFor(position, { name: "sums_v1" }))

const fresh = Layer.provideMerge(PgEventStore.layer, database)
const inFreshLog = <A, E>(body: Effect.Effect<A, E, EventStore | SqlClient.SqlClient>) =>
  Effect.provide(Effect.andThen(setUp, body), Layer.fresh(fresh)).pipe(Effect.scoped)

const caller = { principal: "dana", commandId: "c1", requestHash: "h1" }

layer(TestServer.layer, { timeout: 120_000, excludeTestServices: true })("a read model that stopped", (it) => {
  it.effect("names the event that it stopped before, also when the database refused a whole batch", () =>
    inFreshLog(
      Effect.gen(function* () {
        // The second is no number: the batch fails in one statement that names no event.
        yield* add("1", "2", "x3", "4", "5")
        yield* running(
          Effect.gen(function* () {
            const { errorPosition, error } = yield* parked
            assert.strictEqual(errorPosition, yield* positionAt(3))
            assert.include(error!, "22P02")
            assert.strictEqual(yield* total, 0)
          })
        )
      })
    )
  )

  it.effect("goes on without that event for a reason that the log keeps, also after a restart and in a rebuild", () =>
    inFreshLog(
      Effect.gen(function* () {
        yield* add("1", "poison", "2")
        const position = yield* positionAt(2)
        yield* running(
          Effect.gen(function* () {
            const control = yield* ProjectionControl
            assert.strictEqual((yield* parked).errorPosition, position)
            const elsewhere = yield* Effect.flip(control.skip("sums_v1", yield* positionAt(3), "why not", caller))
            assert.deepInclude(elsewhere, { _tag: "ProjectionNotSo", status: `parked before ${position}` })
            const done = yield* control.skip("sums_v1", position, "written by hand", caller)
            yield* level(yield* positionAt(3))
            assert.strictEqual(yield* total, 3)
            const [skip] = (yield* statusOf()).skipped
            assert.deepInclude(skip, { position, reason: "written by hand", principal: "dana" })

            // The same key is the same command; another body under it is refused; nothing is left to skip.
            const again = yield* control.skip("sums_v1", position, "written by hand", caller)
            assert.strictEqual(again.position, done.position)
            const reused = yield* Effect.flip(control.skip("sums_v1", position, "x", { ...caller, requestHash: "h2" }))
            assert.strictEqual(reused._tag, "CommandReused")
            const over = yield* Effect.flip(control.skip("sums_v1", position, "x", { principal: "dana" }))
            assert.deepInclude(over, { _tag: "ProjectionNotSo", status: "running" })
          })
        )
        const [kept, ...more] = yield* (yield* EventStore).read(streamName("sums_v1"), 0)
        assert.deepStrictEqual(more, [])
        assert.deepInclude(kept, { type: "ProjectionEventSkipped" })
        assert.strictEqual(kept!.metadata.principal, "dana")
        assert.deepInclude(JSON.parse(kept!.payload), { position, reason: "written by hand" })

        yield* running(
          Effect.gen(function* () {
            yield* (yield* ProjectionRunner).rebuild("sums_v1")
            assert.strictEqual(yield* total, 3, "a rebuild leaves the same event out")
          })
        )
        const sql = yield* SqlClient.SqlClient
        yield* sql`UPDATE projection_checkpoints SET position = NULL`
        yield* sql`DELETE FROM sums_v1`
        yield* running(Effect.flatMap(positionAt(3), level))
        assert.strictEqual(yield* total, 3, "a new process leaves the same event out")
      })
    )
  )

  it.effect("an unknown name, or one that is being rebuilt, is refused; a rebuild is kept in the log and seen", () =>
    inFreshLog(
      Effect.gen(function* () {
        yield* running(
          Effect.gen(function* () {
            const control = yield* ProjectionControl
            const unknown = yield* Effect.flip(control.rebuild("nope_v1", "", caller))
            assert.deepInclude(unknown, { _tag: "UnknownProjection" })
            const { position } = yield* control.rebuild("run_list_v1", "looked wrong", caller)
            const [event] = yield* (yield* EventStore).read(streamName("run_list_v1"), 0)
            assert.deepInclude(event, { type: "ProjectionRebuildRequested", position })
            const untilDone = Effect.gen(function* () {
              if ((yield* statusOf("run_list_v1")).rebuilding) return yield* Effect.fail("rebuilding" as const)
            })
            yield* Effect.retry(untilDone, { schedule: Schedule.spaced("20 millis"), times: 300 })
          }),
          allProjections
        )
      })
    )
  )

  it.effect("a rebuild that died with its process begins again by itself; readers see the old rows until then", () =>
    inFreshLog(
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { position } = yield* add("1", "2")
        yield* running(level(position))
        // As a process leaves it that is killed in the middle: a half built copy and its checkpoint.
        yield* sql`UPDATE sums_v1 SET n = 40 WHERE n = 2`
        yield* sql`CREATE SCHEMA rebuild_sums_v1`
        yield* sql`CREATE TABLE rebuild_sums_v1.sums_v1 (half int)`
        yield* sql`INSERT INTO projection_checkpoints (name) VALUES ('sums_v1#rebuild')`
        assert.strictEqual(yield* total, 41)
        yield* running(
          Effect.gen(function* () {
            const isDone = Effect.gen(function* () {
              if ((yield* total) !== 3) return yield* Effect.fail("not yet" as const)
            })
            yield* Effect.retry(isDone, { schedule: Schedule.spaced("20 millis"), times: 300 })
            assert.deepStrictEqual(yield* sql`SELECT nspname FROM pg_namespace WHERE nspname LIKE 'rebuild%'`, [])
            assert.deepStrictEqual(yield* sql`SELECT name FROM projection_checkpoints WHERE name LIKE '%#rebuild'`, [])
          })
        )
      })
    )
  )

  it.effect(
    "rebuilds that were asked for are done by the next process when theirs ends in order, queued ones too",
    () =>
      inFreshLog(
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const names = ["run_list_v1", "sums_v1"]
          const { position } = yield* add("1", "2")
          yield* running(level(position))
          yield* sql`UPDATE sums_v1 SET n = 40 WHERE n = 2`
          yield* running(
            Effect.gen(function* () {
              const control = yield* ProjectionControl
              // Another one is before it, and nothing ends before the process does.
              for (const name of names) yield* control.rebuild(name, "", { ...caller, commandId: name })
              assert.isTrue((yield* statusOf()).rebuilding)
              const again = yield* Effect.flip(control.rebuild("sums_v1", "", { ...caller, commandId: "again" }))
              assert.deepInclude(again, { _tag: "ProjectionNotSo", status: "rebuilding" })
            }),
            [...allProjections, sums]
          )
          assert.strictEqual(yield* total, 41)
          yield* running(
            Effect.gen(function* () {
              const isDone = Effect.gen(function* () {
                const ends = yield* Effect.forEach(names, (name) => Effect.map(statusOf(name), (at) => at.lastRebuild))
                if (ends.includes(null)) return yield* Effect.fail("not yet" as const)
                return ends.map((end) => end!.error)
              })
              const errors = yield* Effect.retry(isDone, { schedule: Schedule.spaced("20 millis"), times: 300 })
              assert.deepStrictEqual(errors, [null, null])
              assert.strictEqual(yield* total, 3)
            }),
            [...allProjections, sums]
          )
          assert.deepStrictEqual(yield* sql`SELECT nspname FROM pg_namespace WHERE nspname LIKE 'rebuild%'`, [])
          assert.deepStrictEqual(yield* sql`SELECT name FROM projection_checkpoints WHERE name LIKE '%#rebuild'`, [])
        })
      )
  )

  it.effect("a rebuild that a reader holds up is switched when that one has read; nothing else waits for it", () =>
    inFreshLog(
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { position } = yield* add("1", "2")
        const said: Array<string> = []
        const listening = Logger.layer([Logger.make(({ message }) => said.push(String(message)))])
        yield* Effect.gen(function* () {
          yield* level(position)
          yield* sql`UPDATE sums_v1 SET n = 40 WHERE n = 2`
          yield* heldUp(
            Effect.gen(function* () {
              assert.isTrue((yield* statusOf()).rebuilding)
              yield* level((yield* add("3")).position)
              assert.strictEqual(yield* total, 44)
              assert.isTrue((yield* statusOf()).rebuilding)
            })
          )
          assert.deepInclude(yield* rebuilt, { error: null })
          assert.strictEqual(yield* total, 6)
        }).pipe(running, Effect.provide(listening))
        assert.notInclude(said.join("\n"), "pause")
      })
    )
  )

  it.effect("a rebuild that another process has begun anew is left to that one: no half-built table is switched", () =>
    inFreshLog(
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { position } = yield* add("1", "2")
        yield* Effect.gen(function* () {
          yield* level(position)
          yield* heldUp(
            sql.withTransaction(
              Effect.gen(function* () {
                yield* sql`DROP SCHEMA rebuild_sums_v1 CASCADE`
                yield* sql`CREATE SCHEMA rebuild_sums_v1`
                yield* sql`CREATE TABLE rebuild_sums_v1.sums_v1 (half int)`
                yield* sql`UPDATE projection_checkpoints SET position = NULL WHERE name = 'sums_v1#rebuild'`
              })
            )
          )
          assert.include((yield* rebuilt).error!, "another process")
          assert.strictEqual(yield* total, 3)
          assert.lengthOf(yield* sql`SELECT half FROM rebuild_sums_v1.sums_v1`, 0)
          const wish = yield* sql`SELECT name FROM projection_checkpoints WHERE name = 'sums_v1#rebuild'`
          assert.lengthOf(wish, 1)
        }).pipe(running)
      })
    )
  )

  it.effect("a rebuild is asked for only as long as the caller waits, and can be asked for again then", () =>
    inFreshLog(
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* add("1", "2")
        yield* Effect.gen(function* () {
          const control = yield* ProjectionControl
          const asks = control.rebuild("sums_v1", "", { principal: "dana" })
          const isWritten = yield* Deferred.make<void>()
          const isOver = yield* Deferred.make<void>()
          // Somebody else is about to write the row that it has to write first.
          const other = yield* Effect.gen(function* () {
            yield* sql`INSERT INTO projection_checkpoints (name) VALUES ('sums_v1#rebuild')`
            yield* Deferred.succeed(isWritten, undefined)
            yield* Deferred.await(isOver)
            return yield* Effect.fail("rolled back" as const)
          }).pipe(sql.withTransaction, Effect.flip, Effect.forkChild)
          yield* Deferred.await(isWritten)
          const gaveUp = yield* Effect.timeoutOption(asks, "300 millis")
          yield* Deferred.succeed(isOver, undefined)
          assert.strictEqual(yield* Fiber.join(other), "rolled back")
          assert.strictEqual(gaveUp._tag, "None")
          assert.isFalse((yield* statusOf()).rebuilding)
          yield* asks
          assert.deepInclude(yield* rebuilt, { error: null })
        }).pipe(running)
      })
    )
  )

  it.effect("that differs from the log is found by comparing it with a copy, table by table", () =>
    inFreshLog(
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { position } = yield* add("1", "2")
        yield* running(level(position))
        assert.deepInclude(yield* Comparison.compare(sums), { status: "equal", position })
        yield* sql`UPDATE sums_v1 SET n = 7 WHERE n = 2`
        assert.deepInclude(yield* Comparison.compare(sums), { status: "different", problem: "sums_v1" })
        yield* running(Effect.void, allProjections)
        for (const projection of allProjections) {
          assert.deepInclude(yield* Comparison.compare(projection), { status: "equal" }, projection.name)
        }
        assert.deepStrictEqual(yield* sql`SELECT nspname FROM pg_namespace WHERE nspname LIKE 'verify%'`, [])
        assert.deepStrictEqual(yield* sql`SELECT name FROM projection_checkpoints WHERE name LIKE '%#%'`, [])
      })
    )
  )
})

layer(TestServer.layer, { timeout: 120_000, excludeTestServices: true })("the history of queue health", (it) => {
  it.effect(
    "has one entry a minute, answers the newest at or before a time or position, and forgets after 7 days",
    () =>
      inFreshLog(
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* running(
            Effect.gen(function* () {
              const none = yield* Effect.flip(QueueHealthHistory.at(0))
              assert.deepInclude(none, { _tag: "BeforeHistory", oldest: null })
              yield* QueueHealthHistory.record(subscription)
              yield* QueueHealthHistory.record(subscription)
              const [{ count } = { count: 0 }] = yield* sql<{ count: number }>`
              SELECT count(*)::int AS count FROM queue_health_history`
              assert.isAtMost(count, 2, "at most one a minute")
              const health = JSON.stringify({ generatedAt: "2020-01-01T10:00:20.000Z" })
              const old = "00000001-0000000000000001-0000000000000001" as Position
              yield* sql`
              INSERT INTO queue_health_history (minute, position, health)
              VALUES ('2020-01-01T10:00:00Z', ${old}, ${health}::text::json)`
              const noon = yield* QueueHealthHistory.at(Date.UTC(2020, 0, 1, 11))
              assert.strictEqual(noon.generatedAt, "2020-01-01T10:00:20.000Z")
              assert.deepStrictEqual(yield* QueueHealthHistory.at(old), noon)
              const early = yield* Effect.flip(QueueHealthHistory.at(Date.UTC(2020, 0, 1, 10, 0, 10)))
              assert.deepInclude(early, { _tag: "BeforeHistory", oldest: "2020-01-01T10:00:20.000Z" })
              const newest = yield* QueueHealthHistory.at(Date.UTC(2999, 0, 1))
              assert.notStrictEqual(newest.generatedAt, noon.generatedAt)
              yield* QueueHealthHistory.record(subscription)
              const gone = yield* Effect.flip(QueueHealthHistory.at(Date.UTC(2020, 0, 1, 11)))
              assert.strictEqual(gone._tag, "BeforeHistory")
            }),
            allProjections
          )
        })
      )
  )
})
