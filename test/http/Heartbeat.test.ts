import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { EventStore, LogUnavailable } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import * as EventFeed from "../../src/http/EventFeed.ts"
import * as EventTail from "../../src/http/EventTail.ts"
import * as Fakes from "./Fakes.ts"
import { append } from "./Log.ts"

/** Everything that the stream said until it was stopped. */
const spoken = Effect.fnUntraced(function* (during: Effect.Effect<void, never, EventStore>) {
  const stopped = yield* Deferred.make<void>()
  const tails = yield* EventTail.make(yield* EventStore, stopped)
  const frames = yield* EventFeed.serverSent(Fakes.position(0), {}, stopped, yield* tails.of({}))
  const fiber = yield* Effect.forkChild(Stream.mkString(Stream.decodeText(frames)))
  yield* TestClock.adjust("10 millis")
  yield* during
  yield* Deferred.succeed(stopped, undefined)
  return yield* Fiber.join(fiber)
})

describe("an event stream", () => {
  it.effect("says every 15 seconds that it lives, and ends when the server stops", () =>
    Effect.gen(function* () {
      const text = yield* spoken(TestClock.adjust("61 seconds"))
      assert.strictEqual(text.split(": heartbeat").length - 1, 4)
    }).pipe(Effect.scoped, Effect.provide(MemoryEventStore.layer))
  )

  it.effect("finds by itself within a second what another process appended, without a hint", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      const deaf = { ...store, changes: Stream.never }
      const during = Effect.andThen(Effect.orDie(append("run-1", "A")), TestClock.adjust("1 second"))
      const text = yield* spoken(during).pipe(Effect.provideService(EventStore, deaf))
      assert.include(text, "event: A")
    }).pipe(Effect.scoped, Effect.provide(MemoryEventStore.layer))
  )

  it.effect("stays while the log is away and goes on afterwards", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      let away = true
      const flaky = {
        ...store,
        readAll: (options: Parameters<typeof store.readAll>[0]) =>
          away
            ? Effect.fail(new LogUnavailable({ message: "connection refused", cause: new Error("ECONNREFUSED") }))
            : store.readAll(options)
      }
      const during = Effect.gen(function* () {
        yield* Effect.orDie(append("run-1", "A"))
        yield* TestClock.adjust("5 seconds")
        away = false
        yield* TestClock.adjust("2 seconds")
      })
      const text = yield* spoken(during).pipe(Effect.provideService(EventStore, flaky))
      assert.include(text, "event: A")
    }).pipe(Effect.scoped, Effect.provide(MemoryEventStore.layer))
  )

  it.effect("reads the log once for fifty listeners, and tells each of them everything", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      let reads = 0
      const counted = {
        ...store,
        readAll: (options: Parameters<typeof store.readAll>[0]) =>
          Effect.suspend(() => {
            reads++
            return store.readAll(options)
          })
      }
      const stopped = yield* Deferred.make<void>()
      const tails = yield* EventTail.make(counted, stopped)
      const listener = Effect.gen(function* () {
        const frames = yield* EventFeed.serverSent(Fakes.position(0), {}, stopped, yield* tails.of({}))
        return yield* Stream.mkString(Stream.decodeText(frames))
      }).pipe(Effect.provideService(EventStore, counted))
      const fibers = yield* Effect.forEach(Array.from({ length: 50 }), () => Effect.forkChild(listener))
      yield* TestClock.adjust("10 millis")
      const before = reads
      yield* Effect.orDie(append("run-1", "A"))
      yield* TestClock.adjust("1 second")
      yield* Effect.orDie(append("run-1", "B"))
      yield* TestClock.adjust("1 second")
      assert.isBelow(reads - before, 50)
      yield* Deferred.succeed(stopped, undefined)
      for (const fiber of fibers) {
        const text = yield* Fiber.join(fiber)
        assert.deepStrictEqual(text.match(/event: \w/g), ["event: A", "event: B"])
      }
    }).pipe(Effect.scoped, Effect.provide(MemoryEventStore.layer))
  )
})
