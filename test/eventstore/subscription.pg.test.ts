import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Latch, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Checkpoint from "../../src/eventstore/Checkpoint.ts"
import { EventStore, LogUnavailable, type RecordedEvent } from "../../src/eventstore/EventStore.ts"
import * as LogPosition from "../../src/eventstore/LogPosition.ts"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import { standAside } from "../../src/eventstore/SafeHorizon.ts"
import * as Subscription from "../../src/eventstore/Subscription.ts"
import * as SubscriptionStatus from "../../src/eventstore/SubscriptionStatus.ts"
import { appendOf } from "../support/appends.ts"
import { database, TestServer } from "../support/postgres.ts"

const fresh = Layer.provideMerge(PgEventStore.layer, database)

/** Writes each event into a table, once: the unique key would refuse it a second time. */
const seenTable = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE seen (nth int GENERATED ALWAYS AS IDENTITY, stream text, version int, UNIQUE (stream, version))`
  const handle = (events: ReadonlyArray<RecordedEvent>) =>
    Effect.forEach(
      events,
      ({ streamName, streamVersion }) =>
        sql`INSERT INTO seen (stream, version) VALUES (${streamName}, ${streamVersion})`,
      { discard: true }
    )
  const rows = sql<{ readonly stream: string }>`SELECT stream FROM seen ORDER BY nth`
  return { handle, seen: Effect.map(rows, (found) => found.map(({ stream }) => stream)) }
})

const until = <E, R>(seen: Effect.Effect<ReadonlyArray<string>, E, R>, count: number) =>
  Effect.repeat(Effect.delay(seen, "5 millis"), { until: (found) => found.length >= count })

const append = (...names: ReadonlyArray<string>) =>
  Effect.flatMap(Effect.service(EventStore), (store) =>
    Effect.forEach(names, (streamName) => store.append(appendOf({ streamName })), { concurrency: "unbounded" })
  )

layer(TestServer.layer, { excludeTestServices: true })("a subscription", (it) => {
  const check = (name: string, test: Effect.Effect<void, unknown, EventStore | SqlClient.SqlClient>) =>
    it.effect(name, () => Effect.scoped(Effect.provide(test, fresh)))

  check(
    "handles every event once, in order, with two of it running, and goes on where it stood",
    Effect.gen(function* () {
      const { handle, seen } = yield* seenTable
      const subscription = { name: "seen_v1", handle }
      const names = Array.from({ length: 60 }, (_, nth) => `run-${nth}`)
      yield* append(...names.slice(0, 20))
      const readers = yield* Effect.all([
        Effect.forkChild(Subscription.run(subscription)),
        Effect.forkChild(Subscription.run(subscription))
      ])
      yield* append(...names.slice(20, 40))
      assert.strictEqual((yield* until(seen, 40)).length, 40)
      for (const reader of readers) yield* Fiber.interrupt(reader)
      yield* append(...names.slice(40))
      yield* Effect.forkChild(Subscription.run(subscription))
      const all = yield* until(seen, 60)
      const store = yield* EventStore
      const log = yield* store.readAll({ after: null, limit: 100 })
      assert.deepStrictEqual(
        all,
        log.events.map(({ streamName }) => streamName)
      )
      const [status] = yield* SubscriptionStatus.all
      assert.deepInclude(status, { name: "seen_v1", position: yield* store.head, lagEvents: 0, error: null })
    })
  )

  check(
    "whose handler fails on an event stops before it, says why in its row, skips nothing, and goes on when mended",
    Effect.gen(function* () {
      const { handle, seen } = yield* seenTable
      let isBroken = true
      const subscription = {
        name: "seen_v1",
        handle: Effect.fnUntraced(function* (events: ReadonlyArray<RecordedEvent>) {
          yield* handle(events)
          if (isBroken && events.some(({ streamName }) => streamName === "run-13")) {
            return yield* Effect.die(new Error("cannot bear thirteen"))
          }
        })
      }
      for (let nth = 0; nth < 20; nth++) yield* append(`run-${nth}`)
      const stopped = yield* Effect.flip(Subscription.run(subscription))
      assert.match(stopped.message, /cannot bear thirteen/)
      assert.strictEqual((yield* seen).length, 13)
      const [status] = yield* SubscriptionStatus.all
      assert.match(status!.error!, /^Happened of run-13 at [0-9a-f-]+: cannot bear thirteen$/)
      assert.strictEqual(status!.lagEvents, 7)
      isBroken = false
      yield* Effect.forkChild(Subscription.run(subscription))
      assert.strictEqual((yield* until(seen, 20)).length, 20)
      assert.isNull((yield* SubscriptionStatus.all)[0]!.error)
    })
  )

  check(
    "that begins now handles only what comes after, and only its category",
    Effect.gen(function* () {
      const { handle, seen } = yield* seenTable
      const sql = yield* SqlClient.SqlClient
      yield* append("run-old")
      yield* Effect.forkChild(Subscription.run({ name: "seen_v1", begin: "now", category: "run", handle }))
      yield* sql`SELECT name FROM subscriptions`.pipe(Effect.repeat({ until: (rows) => rows.length > 0 }))
      yield* append("asset-new")
      yield* append("run-new")
      assert.deepStrictEqual(yield* until(seen, 1), ["run-new"])
    })
  )

  check(
    "that moves its checkpoint behind its back goes on meanwhile, has written it when it ends, and begins there",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const given: Array<string> = []
      const subscription = {
        ...{ name: "seen_v1", checkpoint: "before" as const },
        handle: (events: ReadonlyArray<RecordedEvent>) =>
          Effect.sync(() => void given.push(...events.map(({ streamName }) => streamName)))
      }
      const reader = yield* Effect.forkChild(Subscription.run(subscription))
      yield* append("run-0")
      yield* until(
        Effect.sync(() => given),
        1
      )
      // Nobody can write the row: it reads on all the same.
      const held = yield* Latch.make()
      const lock = sql`SELECT ${sql.literal(standAside)} FROM subscriptions WHERE name = 'seen_v1' FOR UPDATE`
      const holder = yield* Effect.forkChild(
        sql.withTransaction(Effect.andThen(Effect.andThen(lock, held.open), Effect.never))
      )
      yield* held.await
      for (let nth = 1; nth < 20; nth++) {
        yield* append(`run-${nth}`)
        yield* until(
          Effect.sync(() => given),
          nth + 1
        )
      }
      yield* Fiber.interrupt(holder)
      yield* Fiber.interrupt(reader)
      assert.deepInclude((yield* SubscriptionStatus.all)[0], { name: "seen_v1", lagEvents: 0 })
      yield* append("run-20")
      yield* Effect.forkChild(Subscription.run(subscription))
      yield* until(
        Effect.sync(() => given),
        21
      )
      assert.deepStrictEqual(
        given,
        Array.from({ length: 21 }, (_, nth) => `run-${nth}`)
      )
    })
  )

  check(
    "that moves its checkpoint behind its back goes on from where another process has moved it",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const store = yield* EventStore
      const given: Array<string> = []
      const subscription = {
        ...{ name: "seen_v1", checkpoint: "before" as const },
        handle: (events: ReadonlyArray<RecordedEvent>) =>
          Effect.sync(() => void given.push(...events.map(({ streamName }) => streamName)))
      }
      yield* append("run-0")
      const first = yield* store.head
      yield* append("run-1")
      yield* Effect.forkChild(Subscription.run(subscription))
      const stored = Effect.map(SubscriptionStatus.all, ([status]) => status?.lagEvents === 0)
      yield* Effect.repeat(Effect.delay(stored, "5 millis"), { until: (isStored) => isStored })
      yield* sql`UPDATE subscriptions SET position = ${first} WHERE name = 'seen_v1'`
      yield* append("run-2")
      yield* until(
        Effect.sync(() => given),
        5
      )
      assert.deepStrictEqual(given, ["run-0", "run-1", "run-2", "run-1", "run-2"])
      yield* Effect.repeat(Effect.delay(stored, "5 millis"), { until: (isStored) => isStored })
    })
  )

  for (const isDone of [false, true]) {
    check(
      `that moves its checkpoint behind its back gives nothing twice when a write of it ${isDone ? "was done unheard" : "failed"}`,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const store = yield* EventStore
        const given: Array<string> = []
        const lost = { writes: 0, reads: 0 }
        const away = new LogUnavailable({ message: "away", cause: "away" })
        const unsteady = EventStore.of({
          ...store,
          readAll: (wanted) => Effect.suspend(() => (lost.reads-- > 0 ? Effect.fail(away) : store.readAll(wanted)))
        })
        const failing = new Proxy(sql, {
          apply: (target, self, args) => {
            const statement = Reflect.apply(target, self, args)
            if (!String(args[0]?.raw).includes("UPDATE subscriptions SET position") || lost.writes === 0)
              return statement
            lost.writes--
            lost.reads = 1
            return Effect.andThen(isDone ? statement : Effect.void, sql`SELECT broken`)
          }
        })
        const reader = yield* Subscription.run({
          ...{ name: "seen_v1", checkpoint: "before" },
          handle: (events) => Effect.sync(() => void given.push(...events.map(({ streamName }) => streamName)))
        }).pipe(
          Effect.provideService(EventStore, unsteady),
          Effect.provideService(SqlClient.SqlClient, failing),
          Effect.forkChild
        )
        const names = Array.from({ length: 6 }, (_, nth) => `run-${nth}`)
        for (const [nth, name] of names.entries()) {
          if (nth === 2) lost.writes = 1
          yield* append(name)
          yield* until(
            Effect.sync(() => given),
            nth + 1
          )
        }
        const stored = Effect.map(SubscriptionStatus.all, ([status]) => status?.lagEvents === 0)
        yield* Effect.repeat(Effect.delay(stored, "5 millis"), { until: (isStored) => isStored })
        yield* Effect.sleep("100 millis")
        assert.strictEqual(lost.writes, 0)
        assert.deepStrictEqual(given, names)
        yield* Fiber.interrupt(reader)
      })
    )
  }

  check(
    "that moves its checkpoint behind its back takes large pages again after failures that passed",
    Effect.gen(function* () {
      const names = Array.from({ length: 100 }, (_, nth) => `run-${nth}`)
      yield* append(...names)
      let failures = 6
      const pages: Array<number> = []
      const reader = yield* Effect.forkChild(
        Subscription.run({
          ...{ name: "seen_v1", checkpoint: "before" },
          handle: (events) => {
            if (events.length > 1 && failures-- > 0) return Effect.die(new Error("passes"))
            return Effect.sync(() => void pages.push(events.length))
          }
        })
      )
      const handled = Effect.sync(() => pages.reduce((sum, page) => sum + page, 0))
      yield* Effect.repeat(Effect.delay(handled, "5 millis"), { until: (count) => count === names.length })
      assert.isAbove(Math.max(...pages), 10)
      yield* Fiber.interrupt(reader)
    })
  )

  check(
    "that stops at an event has noted everything before it, whoever moves its checkpoint",
    Effect.gen(function* () {
      for (let nth = 0; nth < 20; nth++) yield* append(`run-${nth}`)
      const stopped = yield* Effect.flip(
        Subscription.run({
          ...{ name: "seen_v1", checkpoint: "before" },
          handle: (events) =>
            events.some(({ streamName }) => streamName === "run-13")
              ? Effect.die(new Error("cannot bear thirteen"))
              : Effect.void
        })
      )
      assert.match(stopped.message, /cannot bear thirteen/)
      const [status] = yield* SubscriptionStatus.all
      assert.match(status!.error!, /^Happened of run-13 at [0-9a-f-]+: cannot bear thirteen$/)
      assert.strictEqual(status!.lagEvents, 7)
    })
  )

  check(
    "moves its checkpoint by compare-and-set, with four outcomes",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [one, two, three] = [1n, 2n, 3n].map((nth) => LogPosition.of(1, "1", nth)) as [never, never, never]
      assert.isNull(yield* Checkpoint.open(sql, "c_v1", null))
      assert.strictEqual(yield* Checkpoint.move(sql, "c_v1", null, two), "stored")
      assert.strictEqual(yield* Checkpoint.move(sql, "c_v1", one, two), "already")
      assert.strictEqual(yield* Checkpoint.move(sql, "c_v1", null, one), "ahead")
      assert.strictEqual(yield* Checkpoint.move(sql, "c_v1", one, three), "mismatch")
      assert.strictEqual(yield* Checkpoint.open(sql, "c_v1", null), two)
    })
  )
})
