import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Cause, Clock, Context, Effect, Exit, Fiber, Layer, Schedule, type Scope } from "effect"
import { type Append, EventStore, type NewEvent } from "../../src/eventstore/EventStore.ts"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import * as Verification from "../../src/eventstore/Verification.ts"
import { appendOf, lastHash } from "../support/appends.ts"
import * as PgProxy from "../support/pgProxy.ts"
import { database, TestServer } from "../support/postgres.ts"

/** An event store behind a proxy, and the database itself, without one. */
const behindProxy = Effect.gen(function* () {
  const { config } = yield* PgClient.PgClient
  const proxy = yield* PgProxy.make(config.host!)
  const through = PgClient.layer({ ...config, host: proxy.socketDir })
  const context = yield* Layer.build(Layer.fresh(PgEventStore.layer.pipe(Layer.provide(through))))
  const direct = yield* EventStore
  const store = Context.get(context, EventStore)
  return { proxy, store, direct }
})

const fresh = Layer.provideMerge(PgEventStore.layer, database)

const untilCut = (proxy: PgProxy.Proxy, cutsBefore: number) =>
  Effect.sync(() => proxy.cuts()).pipe(
    Effect.repeat({ until: (cuts) => cuts > cutsBefore, schedule: Schedule.spaced("5 millis") })
  )

layer(TestServer.layer, { excludeTestServices: true })("an append whose outcome is unknown", (it) => {
  const check = (name: string, test: Effect.Effect<void, unknown, EventStore | PgClient.PgClient | Scope.Scope>) =>
    it.effect(name, () => Effect.scoped(Effect.provide(test, fresh)))

  for (const [mode, what] of [
    ["lose-answer", "was written although its answer was lost: it succeeds, and is in the log once"],
    ["lose-request", "never reached the server: it is sent again, and is in the log once"]
  ] as const) {
    check(
      what,
      Effect.gen(function* () {
        const { direct, proxy, store } = yield* behindProxy
        const first = appendOf({ streamName: "run-old" })
        yield* store.append(first)
        const appends = [
          ...Array.from({ length: 30 }, (_, nth) => appendOf({ streamName: `run-${nth}`, events: [{}, {}] })),
          appendOf({ streamName: "run-old", expectedVersion: 1, after: lastHash(first) })
        ]
        yield* proxy.set(mode)
        const running = yield* Effect.all(appends.map(store.append), { concurrency: "unbounded" }).pipe(
          Effect.forkChild({ startImmediately: true })
        )
        yield* untilCut(proxy, proxy.cuts())
        yield* proxy.set("pass")
        const answers = yield* Fiber.join(running)
        for (const [index, { streamName }] of appends.entries()) {
          const events = yield* direct.read(streamName, 0)
          assert.strictEqual(events.length, 2)
          assert.deepStrictEqual(answers[index], { streamVersion: 2, position: events[1]!.position })
        }
        assert.deepStrictEqual((yield* Verification.chains).breaks, [])
      })
    )
  }

  check(
    "lost its race meanwhile: it is a conflict, and nothing of it is in the log",
    Effect.gen(function* () {
      const { direct, proxy, store } = yield* behindProxy
      const first = appendOf({ streamName: "run-a" })
      yield* store.append(first)
      const cutsBefore = proxy.cuts()
      yield* proxy.set("lose-request")
      const mine = appendOf({
        streamName: "run-a",
        expectedVersion: 1,
        after: lastHash(first),
        events: [{ type: "Mine" }]
      })
      const running = yield* Effect.forkChild(Effect.flip(store.append(mine)), { startImmediately: true })
      yield* untilCut(proxy, cutsBefore)
      yield* direct.append(
        appendOf({ streamName: "run-a", expectedVersion: 1, after: lastHash(first), events: [{ type: "Theirs" }] })
      )
      yield* proxy.set("pass")
      assert.strictEqual((yield* Fiber.join(running))._tag, "VersionConflict")
      assert.deepStrictEqual(
        (yield* direct.read("run-a", 1)).map(({ type }) => type),
        ["Theirs"]
      )
    })
  )

  check(
    "does not hold its caller: a frozen server freezes no interruption of appends or reads, nor the end of the store",
    Effect.gen(function* () {
      const began = yield* Effect.scoped(
        Effect.gen(function* () {
          const { proxy, store } = yield* behindProxy
          yield* store.append(appendOf({ streamName: "run-a" }))
          yield* proxy.set("freeze")
          const began = yield* Clock.currentTimeMillis
          const append = store.append(appendOf({ streamName: "run-b" }))
          for (const frozen of [append, store.read("run-a", 0), store.head] as ReadonlyArray<
            Effect.Effect<unknown, unknown>
          >) {
            const exit = yield* Effect.exit(Effect.timeout(frozen, "100 millis"))
            assert(Exit.isFailure(exit) && Cause.pretty(exit.cause).includes("Timeout"))
          }
          assert.isBelow((yield* Clock.currentTimeMillis) - began, 1_000)
          yield* proxy.set("refuse")
          return yield* Clock.currentTimeMillis
        })
      )
      assert.isBelow((yield* Clock.currentTimeMillis) - began, 6_500)
    })
  )

  check(
    "with the database away, appends wait, reads say so, and both go on when it is back",
    Effect.gen(function* () {
      const { proxy, store } = yield* behindProxy
      yield* store.append(appendOf({ streamName: "run-a" }))
      yield* proxy.set("refuse")
      const waiting = yield* Effect.forkChild(store.append(appendOf({ streamName: "run-b" })), {
        startImmediately: true
      })
      assert.strictEqual((yield* Effect.flip(store.read("run-a", 0)))._tag, "LogUnavailable")
      assert.isFalse(yield* store.available)
      yield* proxy.set("pass")
      assert.strictEqual((yield* Fiber.join(waiting)).streamVersion, 1)
      assert.isTrue(yield* store.available)
      assert.strictEqual((yield* store.read("run-b", 0)).length, 1)
    })
  )

  check(
    "an append that cannot even be encoded fails alone, and the writer lives on",
    Effect.gen(function* () {
      const store = yield* EventStore
      const right = appendOf({ streamName: "run-right" })
      const wrong: Append = {
        ...appendOf({ streamName: "run-wrong" }),
        events: [{ ...right.events[0], hash: undefined } as unknown as NewEvent]
      }
      const [first, second] = yield* Effect.all([Effect.exit(store.append(wrong)), Effect.exit(store.append(right))], {
        concurrency: "unbounded"
      })
      assert(Exit.isFailure(first) && Cause.hasDies(first.cause))
      assert(Exit.isSuccess(second))
      yield* store.append(appendOf({ streamName: "run-after" }))
    })
  )

  check(
    "a stream that appends twice at the same moment goes into two batches, in order",
    Effect.gen(function* () {
      const store = yield* EventStore
      const first = appendOf({ streamName: "run-a" })
      const second = appendOf({ streamName: "run-a", expectedVersion: 1, after: lastHash(first) })
      const answers = yield* Effect.all([store.append(first), store.append(second)], { concurrency: "unbounded" })
      assert.deepStrictEqual(
        answers.map(({ streamVersion }) => streamVersion),
        [1, 2]
      )
    })
  )
})
