import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import fc from "fast-check"
import { allProjections } from "../../src/projections/AllProjections.ts"
import { type Handler, LogEvent } from "../../src/projections/Projection.ts"
import { ProjectionRunner } from "../../src/projections/ProjectionRunner.ts"
import { history, Tape } from "./history.ts"
import { checksum, database, emptied, TestLog } from "./support.ts"

const tables = allProjections.flatMap((projection) => projection.tables)

/** Feeds the log to every projection in batches of the given sizes; now and then memory is lost, as in a restart. */
const feed = Effect.fnUntraced(function* (log: TestLog, sizes: () => number, isForgetful: () => boolean) {
  const sql = yield* SqlClient.SqlClient
  const handlers = allProjections.map((projection): readonly [ReadonlyArray<string>, Handler] => [
    projection.categories,
    projection.make()
  ])
  for (let from = 0; from < log.events.length; ) {
    const to = from + sizes()
    const events = log.events.slice(from, to).map((recorded) => new LogEvent(recorded))
    for (const [categories, handler] of handlers) {
      const relevant = events.filter(({ category }) => categories.includes(category))
      if (relevant.length > 0) yield* sql.withTransaction(handler.handle(relevant))
      if (isForgetful()) handler.forget()
    }
    from = to
  }
  return yield* checksum(tables)
})

/** The totals that batches keep say what the rows say. */
const totalsAreTrue = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const kept = yield* sql`
    SELECT asset_key, materialized, missing, stale, expired, not_materialized FROM asset_list_v2_totals ORDER BY 1`
  const counted = yield* sql`
    SELECT asset_key, count(*) FILTER (WHERE state = 'materialized')::int AS materialized,
      count(*) FILTER (WHERE state = 'missing')::int AS missing, count(*) FILTER (WHERE state = 'stale')::int AS stale,
      count(*) FILTER (WHERE state = 'expired')::int AS expired,
      count(*) FILTER (WHERE state = 'not_materialized')::int AS not_materialized
    FROM asset_list_v2 GROUP BY 1 ORDER BY 1`
  assert.deepStrictEqual(kept, counted)
})

layer(database, { timeout: 120_000, excludeTestServices: true })("a rebuilt read model", (it) => {
  it.effect("equals the live one, however the log was cut into batches and whenever the process began anew", () =>
    Effect.gen(function* () {
      const seed = 20_24
      const samples = fc.sample(fc.array(fc.nat(10_000), { minLength: 30, maxLength: 200 }), { seed, numRuns: 12 })
      for (const [index, numbers] of samples.entries()) {
        const log = new TestLog()
        log.append(...history(numbers))
        const tape = new Tape(numbers)
        yield* emptied
        const whole = yield* feed(
          log,
          () => log.events.length,
          () => false
        )
        assert.isAbove(whole.length, tables.length, "the history left rows")
        yield* totalsAreTrue
        yield* emptied
        const pieces = yield* feed(
          log,
          () => 1 + tape.below(9),
          () => tape.below(4) === 0
        )
        assert.deepStrictEqual(pieces, whole, `sample ${index} of seed ${seed}`)
      }
    })
  )

  it.effect("equals the live one after the runner has rebuilt it, and keeps what operators have read", () =>
    Effect.gen(function* () {
      const log = new TestLog()
      const [numbers] = fc.sample(fc.array(fc.nat(10_000), { minLength: 100 }), { seed: 7, numRuns: 1 })
      log.append(...history(numbers!))
      yield* emptied
      const sql = yield* SqlClient.SqlClient
      yield* sql`INSERT INTO notification_reads (notification_id, read_at) VALUES ('n', now())`
      yield* Effect.gen(function* () {
        const runner = yield* ProjectionRunner
        yield* runner.waitFor(TestLog.position(log.events.length))
        const live = yield* checksum(tables)
        for (const { name } of allProjections) yield* runner.rebuild(name)
        assert.deepStrictEqual(yield* checksum(tables), live)
        assert.strictEqual((yield* checksum(["notification_reads"])).length, 2)
        for (const { error } of yield* runner.status) assert.isNull(error)
      }).pipe(Effect.provide(ProjectionRunner.layer(allProjections).pipe(Layer.provide(log.layer))))
    })
  )

  it.effect("is not made from an event type that a projection does not know: it stops there and says so", () =>
    Effect.gen(function* () {
      for (const category of ["run", "workflow", "asset", "recovery", "materialization", "attention"]) {
        const log = new TestLog()
        const at = 1
        log.append({ stream: `${category}-1`, type: "Teleported", data: { slug: "x" }, at })
        yield* emptied
        yield* Effect.gen(function* () {
          const runner = yield* ProjectionRunner
          const concerned = allProjections.filter(({ categories }) => categories.includes(category))
          for (const { name } of concerned) {
            const behind = yield* Effect.flip(runner.waitFor(TestLog.position(1), { name }))
            assert(behind._tag === "ProjectionBehind")
            assert.include(behind.error!, `knows no event type Teleported of ${category} streams`)
          }
          yield* runner.waitFor(TestLog.position(1))
        }).pipe(Effect.provide(ProjectionRunner.layer(allProjections).pipe(Layer.provide(log.layer))))
      }
    })
  )
})
