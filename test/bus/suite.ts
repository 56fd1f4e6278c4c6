import { assert, type Vitest } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { type EventBus, Refused, Unavailable } from "../../src/bus/EventBus.ts"
import { firsts, nameOf, producedEvent, publish, quiet, until } from "./events.ts"

type Bus = EventBus["Service"]
/** Connects a process to one and the same bus; the bus is a new and empty one for each test. */
export type Connect = Effect.Effect<Bus, never, Scope.Scope>

const assets = ["a", "b", "c", "d", "e"]
const productions = (count: number) =>
  Array.from({ length: count }, (_, n) => assets.map((asset) => producedEvent(asset, n + 1))).flat()
const ofAsset = (names: ReadonlyArray<string>, asset: string) => names.filter((name) => name.startsWith(`${asset}/`))
const inOrder = (asset: string, count: number) => Array.from({ length: count }, (_, n) => `${asset}/${n + 1}`)

/** What every bus must do (T4). */
export const suite = <R>(it: Vitest.MethodsNonLive<R>, fresh: Effect.Effect<Connect, never, R | Scope.Scope>): void => {
  const check = (name: string, test: (connect: Connect) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.effect(name, () => quiet(Effect.scoped(Effect.flatMap(fresh, test))))

  check("each group handles every event, in the order of its asset (F53, T4)", (connect) =>
    Effect.gen(function* () {
      const bus = yield* connect
      const seen = { one: [] as string[], two: [] as string[] }
      for (const group of ["one", "two"] as const) {
        yield* bus.subscribe(group, (event) =>
          Effect.gen(function* () {
            // The later, the faster: handled at once, an asset's events would end in another order.
            const [, generation] = nameOf(event).split("/")
            yield* Effect.sleep(`${20 - Number(generation)} millis`)
            seen[group].push(nameOf(event))
          })
        )
      }
      const events = productions(20)
      yield* publish(bus, ...events.slice(0, 50))
      yield* publish(bus, ...events.slice(50))
      yield* until(() => firsts(seen.one).length === 100 && firsts(seen.two).length === 100)
      for (const group of ["one", "two"] as const) {
        for (const asset of assets) assert.deepStrictEqual(ofAsset(firsts(seen[group]), asset), inOrder(asset, 20))
      }
    })
  )

  check("an event arrives with all that was published", (connect) =>
    Effect.gen(function* () {
      const bus = yield* connect
      const seen: Array<unknown> = []
      yield* bus.subscribe("one", (event) => Effect.sync(() => seen.push(event)))
      yield* publish(bus, producedEvent("a", 1))
      yield* until(() => seen.length > 0)
      assert.deepStrictEqual(seen[0], producedEvent("a", 1))
    })
  )

  check(
    "an event whose handler lacks something is handled again until it succeeds, and holds back only its asset",
    (connect) =>
      Effect.gen(function* () {
        const bus = yield* connect
        const seen: Array<string> = []
        let tries = 0
        let isAway = true
        yield* bus.subscribe("one", (event) =>
          Effect.gen(function* () {
            if (event.subject === "a" && isAway) {
              tries += 1
              return yield* new Unavailable({ message: "the table is locked", cause: null })
            }
            seen.push(nameOf(event))
          })
        )
        const publishing = yield* Effect.forkScoped(publish(bus, ...productions(5)))
        yield* until(() => firsts(seen).length === 20 && tries >= 2)
        assert.deepStrictEqual(ofAsset(seen, "a"), [])
        isAway = false
        yield* until(() => firsts(seen).length === 25)
        yield* Fiber.join(publishing)
        assert.deepStrictEqual(ofAsset(firsts(seen), "a"), inOrder("a", 5))
        assert.deepStrictEqual(yield* bus.deadLetters(10), [])
      })
  )

  check("a refused event becomes a dead letter with its reason and path, and the rest goes on", (connect) =>
    Effect.gen(function* () {
      const bus = yield* connect
      const seen: Array<string> = []
      yield* bus.subscribe("one", (event) =>
        nameOf(event) === "a/2"
          ? Effect.fail(new Refused({ reason: "must not be negative", path: "data.payload.rows" }))
          : Effect.sync(() => seen.push(nameOf(event)))
      )
      yield* publish(bus, producedEvent("a", 1), producedEvent("a", 2), producedEvent("a", 3))
      yield* until(() => seen.includes("a/3"))
      assert.deepStrictEqual(firsts(seen), ["a/1", "a/3"])
      const [letter, ...others] = yield* bus.deadLetters(10)
      assert.strictEqual(others.length, 0)
      assert.deepStrictEqual(
        { ...letter, event: JSON.parse(letter!.event), at: letter!.at > 0 },
        {
          group: "one",
          event: producedEvent("a", 2),
          reason: "must not be negative",
          path: "data.payload.rows",
          at: true
        }
      )
    })
  )

  check("a handler that dies again and again on one event costs only that event", (connect) =>
    Effect.gen(function* () {
      const bus = yield* connect
      const seen: Array<string> = []
      let deaths = 0
      yield* bus.subscribe("one", (event) =>
        Effect.sync(() => {
          if (nameOf(event) === "a/1") {
            deaths += 1
            throw new Error("no such column")
          }
          seen.push(nameOf(event))
        })
      )
      yield* publish(bus, producedEvent("a", 1), producedEvent("a", 2))
      yield* until(() => seen.includes("a/2"))
      assert.strictEqual(deaths, 5)
      const [letter] = yield* bus.deadLetters(10)
      assert.strictEqual(letter?.reason, "the handler died: no such column")
    })
  )

  check("what a consumer that dies had in hand goes to the next one, before anything newer (F38)", (connect) =>
    Effect.gen(function* () {
      const first = yield* Scope.make()
      const dying = yield* Effect.provideService(connect, Scope.Scope, first)
      const begun = yield* Deferred.make<void>()
      const firstSeen: Array<string> = []
      yield* Effect.provideService(
        dying.subscribe("one", (event) =>
          Effect.gen(function* () {
            firstSeen.push(nameOf(event))
            if (nameOf(event) !== "a/1") return
            yield* Deferred.succeed(begun, undefined)
            yield* Effect.never
          })
        ),
        Scope.Scope,
        first
      )
      const bus = yield* connect
      const publishing = yield* Effect.forkScoped(publish(bus, ...productions(3)))
      yield* Deferred.await(begun)
      yield* until(() => firsts(firstSeen).length === 13)
      yield* Scope.close(first, Exit.void)

      const seen: Array<string> = []
      yield* bus.subscribe("one", (event) => Effect.sync(() => seen.push(nameOf(event))))
      yield* publish(bus, producedEvent("a", 4))
      yield* until(() => seen.includes("a/4"))
      yield* Fiber.join(publishing)
      assert.deepStrictEqual(ofAsset(firsts(seen), "a"), inOrder("a", 4))
      // What had been acknowledged is not handled again.
      assert.deepStrictEqual(ofAsset(seen, "b"), [])
    })
  )

  check(
    "two consumers of a group share its events: each is handled by one, also when the active one leaves",
    (connect) =>
      Effect.gen(function* () {
        const handled: Array<{ readonly by: string; readonly name: string }> = []
        const consumer = Effect.fnUntraced(function* (by: string) {
          const scope = yield* Scope.fork(yield* Effect.scope)
          const bus = yield* Effect.provideService(connect, Scope.Scope, scope)
          yield* Effect.provideService(
            bus.subscribe("one", (event) => Effect.sync(() => handled.push({ by, name: nameOf(event) }))),
            Scope.Scope,
            scope
          )
          return scope
        })
        const consumers = { left: yield* consumer("left"), right: yield* consumer("right") }
        const bus = yield* connect
        yield* publish(bus, ...productions(2))
        yield* until(() => handled.length === 10)
        const active = handled[0]!.by as "left" | "right"
        yield* Scope.close(consumers[active], Exit.void)
        yield* publish(bus, producedEvent("a", 3))
        yield* until(() => handled.length === 11)
        assert.deepStrictEqual(firsts(handled.map(({ name }) => name)).length, 11)
        assert.notStrictEqual(handled.at(-1)?.by, active)
      })
  )

  check("a slow consumer gets every event, and holds up no other group", (connect) =>
    Effect.gen(function* () {
      const bus = yield* connect
      const slow: Array<string> = []
      const fast: Array<string> = []
      let atOnce = 0
      let atOnceMax = 0
      yield* bus.subscribe("slow", (event) =>
        Effect.gen(function* () {
          atOnceMax = Math.max(atOnceMax, ++atOnce)
          yield* Effect.sleep("20 millis")
          atOnce -= 1
          slow.push(nameOf(event))
        })
      )
      yield* bus.subscribe("fast", (event) => Effect.sync(() => fast.push(nameOf(event))))
      const publishing = yield* Effect.forkScoped(publish(bus, ...productions(80)))
      yield* until(() => firsts(fast).length === 400)
      assert(slow.length < 400, "the slow group was waited for")
      yield* until(() => firsts(slow).length === 400)
      yield* Fiber.join(publishing)
      assert.strictEqual(atOnceMax, assets.length)
      for (const asset of assets) assert.deepStrictEqual(ofAsset(slow, asset), inOrder(asset, 80))
    })
  )

  check("events that nobody has subscribed to are published all the same", (connect) =>
    Effect.gen(function* () {
      const bus = yield* connect
      yield* bus.publish([producedEvent("a", 1)])
    })
  )
}
