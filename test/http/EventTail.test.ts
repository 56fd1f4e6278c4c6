import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import * as EventFeed from "../../src/http/EventFeed.ts"
import * as EventTail from "../../src/http/EventTail.ts"
import * as Fakes from "./Fakes.ts"
import { append } from "./Log.ts"

const start = Fakes.position(0)
const textOf = (taken: EventTail.Taken | "behind") =>
  taken === "behind" || taken.bytes === null ? taken : new TextDecoder().decode(taken.bytes)

describe("the tail of an event stream", () => {
  for (const filter of [{}, { category: "run" }, { types: ["A", "B"] }]) {
    it.effect(`forgets its frames when the log says that something was redacted (${JSON.stringify(filter)})`, () =>
      Effect.gen(function* () {
        const stopped = yield* Deferred.make<void>()
        const tail = yield* (yield* EventTail.make(yield* EventStore, stopped)).of(filter)
        tail.take(start)
        yield* append("run-1", "A")
        yield* TestClock.adjust("1 second")
        assert.include(textOf(tail.take(start)) as string, "event: A")
        yield* append("redaction-run-1", "PayloadRedacted")
        yield* TestClock.adjust("1 second")
        // Who has been given all of it already is behind as well: it reads the log, which knows better.
        assert.strictEqual(tail.take(start), "behind")
        const { next } = yield* (yield* EventStore).readAll({ after: null, limit: 10 })
        yield* append("run-1", "B")
        yield* TestClock.adjust("1 second")
        const text = textOf(tail.take(next!)) as string
        assert.include(text, "event: B")
        assert.notInclude(text, "event: A")
      }).pipe(Effect.scoped, Effect.provide(MemoryEventStore.layer))
    )
  }

  it.effect("gives what its filter lets through and nothing else, over more than a page of other events", () =>
    Effect.gen(function* () {
      const stopped = yield* Deferred.make<void>()
      const tails = yield* EventTail.make(yield* EventStore, stopped)
      const filter = { category: "run", types: ["A"] }
      const frames = yield* EventFeed.serverSent(start, filter, stopped, yield* tails.of(filter))
      const fiber = yield* Effect.forkChild(Stream.mkString(Stream.decodeText(frames)))
      yield* TestClock.adjust("10 millis")
      for (let nth = 0; nth < 1_200; nth++) yield* append(`runner-${nth}`, "A")
      yield* append("run-1", "B")
      yield* append("run-1", "A")
      yield* append("redaction-run-1", "PayloadRedacted")
      yield* TestClock.adjust("2 seconds")
      yield* append("run-1", "A")
      yield* TestClock.adjust("2 seconds")
      yield* Deferred.succeed(stopped, undefined)
      assert.deepStrictEqual((yield* Fiber.join(fiber)).match(/event: \w+/g), ["event: A", "event: A"])
    }).pipe(Effect.scoped, Effect.provide(MemoryEventStore.layer))
  )
})
