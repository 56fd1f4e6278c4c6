import { assert, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Layer } from "effect"
import { EventBus, Refused } from "../../src/bus/EventBus.ts"
import * as InlineBus from "../../src/bus/InlineBus.ts"
import { firsts, nameOf, producedEvent, publish, quiet, until } from "./events.ts"
import { suite } from "./suite.ts"

const busOf = (settings: InlineBus.InlineBusSettings = {}) =>
  Effect.map(Layer.build(InlineBus.layer(settings)), (context) => Context.get(context, EventBus))

layer(Layer.empty, { excludeTestServices: true })("InlineBus", (it) => {
  suite(
    it,
    Effect.map(busOf({ settleMs: 200 }), (bus) => Effect.succeed(bus))
  )

  it.effect("publishing succeeds only when every group has acknowledged, so that a crash loses nothing", () =>
    Effect.gen(function* () {
      const bus = yield* busOf({ settleMs: 50 })
      const gate = yield* Deferred.make<void>()
      const seen: Array<string> = []
      yield* bus.subscribe("one", () => Effect.void)
      yield* bus.subscribe("two", (event) =>
        Effect.andThen(
          Effect.sync(() => seen.push(nameOf(event))),
          Deferred.await(gate)
        )
      )
      const error = yield* Effect.flip(bus.publish([producedEvent("a", 1), producedEvent("a", 2)]))
      assert.strictEqual(error.message, "the in-process bus: group two: 2 events wait there: not handled within 50 ms")
      yield* Effect.flip(bus.publish([producedEvent("a", 1), producedEvent("a", 2)]))
      yield* Deferred.succeed(gate, undefined)
      yield* publish(bus, producedEvent("a", 1), producedEvent("a", 2))
      // Publishing again what still waits, or was acknowledged meanwhile, hands nothing over twice.
      assert.deepStrictEqual(seen, ["a/1", "a/2"])
    })
  )

  it.effect("a group without a consumer is named, and gets its events when one comes", () =>
    Effect.gen(function* () {
      const bus = yield* busOf({ settleMs: 20 })
      yield* Effect.scoped(bus.subscribe("one", () => Effect.void))
      const error = yield* Effect.flip(bus.publish([producedEvent("a", 1)]))
      assert.match(error.message, /group one: 1 events wait there: it has no consumer/)
      const seen: Array<string> = []
      yield* bus.subscribe("one", (event) => Effect.sync(() => seen.push(nameOf(event))))
      yield* until(() => seen.length === 1)
    })
  )

  it.effect("what waits is bounded: more is refused with the group's name until there is room", () =>
    Effect.gen(function* () {
      const bus = yield* busOf({ settleMs: 20, waitingMax: 2 })
      const gate = yield* Deferred.make<void>()
      const seen: Array<string> = []
      yield* bus.subscribe("one", (event) =>
        Effect.andThen(
          Deferred.await(gate),
          Effect.sync(() => seen.push(nameOf(event)))
        )
      )
      yield* Effect.flip(bus.publish([producedEvent("a", 1), producedEvent("a", 2)]))
      const error = yield* Effect.flip(bus.publish([producedEvent("a", 3)]))
      assert.match(error.message, /group one: 2 events wait there already, at most 2 may/)
      yield* Deferred.succeed(gate, undefined)
      yield* publish(bus, producedEvent("a", 3))
      assert.deepStrictEqual(firsts(seen), ["a/1", "a/2", "a/3"])
    })
  )

  it.effect("the newest dead letters are kept, as many as asked for", () =>
    Effect.gen(function* () {
      const bus = yield* busOf({ deadLettersMax: 2 })
      yield* bus.subscribe("one", () => Effect.fail(new Refused({ reason: "no", path: "" })))
      yield* publish(bus, producedEvent("a", 1), producedEvent("a", 2), producedEvent("a", 3))
      const generations = (limit: number) =>
        Effect.map(bus.deadLetters(limit), (letters) => letters.map(({ event }) => JSON.parse(event).data.generation))
      assert.deepStrictEqual(yield* generations(10), [3, 2])
      assert.deepStrictEqual(yield* generations(1), [3])
    }).pipe(quiet)
  )
})
