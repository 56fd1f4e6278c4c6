import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schedule, Scope } from "effect"
import { ActorSystem, wakeStream } from "../../src/actors/ActorSystem.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { counter, gate, layer } from "./counterActor.ts"

const eventually = <E, R>(check: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(check, { until: (done) => done, schedule: Schedule.spaced("5 millis") }).pipe(
    Effect.timeout("5 seconds"),
    Effect.asVoid
  )
const types = Effect.fnUntraced(function* (streamName: string) {
  const log = yield* EventStore
  return (yield* log.read(streamName, 0)).map(({ type }) => type)
})

/** One process on a log that outlives it. */
const processOn = <A, E>(
  body: Effect.Effect<A, E, EventStore | ActorSystem | Layer.Success<ReturnType<typeof layer>>>,
  perform: (work: string) => Effect.Effect<void>,
  options?: Parameters<typeof layer>[1]
) => Effect.scoped(Effect.provide(body, layer(perform, options)))

describe("the actor host", () => {
  for (const buckets of [4, "actor"] as const) {
    describe(`with ${buckets === "actor" ? "an entity for every actor" : "many actors in an entity"}`, () => {
      it.live("answers after the append, and decides what queued meanwhile together in one append", () =>
        Effect.gen(function* () {
          const log = yield* EventStore
          let appends = 0
          const counting = EventStore.of({
            ...log,
            append: (append) =>
              Effect.suspend(() => {
                appends++
                return Effect.delay(log.append(append), "20 millis")
              })
          })
          yield* processOn(
            Effect.gen(function* () {
              const actors = yield* counter.client
              const answers = yield* Effect.forEach(
                Array.from({ length: 50 }, (_, index) => index),
                () => actors.execute("a", { _tag: "Add", by: 1 }),
                { concurrency: "unbounded" }
              )
              assert.strictEqual(answers[49]?.state.total, 50)
              assert.isAtMost(appends, 3)
              assert.strictEqual((yield* log.read("counter-a", 0)).length, 50)
            }).pipe(Effect.provideService(EventStore, counting)),
            () => Effect.void,
            { buckets }
          ).pipe(Effect.provideService(EventStore, counting))
        }).pipe(Effect.provide(MemoryEventStore.layer))
      )

      it.live("a rejection of one command leaves the others of its append alone", () =>
        Effect.gen(function* () {
          yield* processOn(
            Effect.gen(function* () {
              const actors = yield* counter.client
              const exits = yield* Effect.forEach(
                [1, 500, 2],
                (by) => Effect.exit(actors.execute("a", { _tag: "Add", by })),
                { concurrency: "unbounded" }
              )
              assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, false, true])
              const { state } = yield* actors.execute("a", { _tag: "Read" })
              assert.strictEqual(state.total, 3)
            }),
            () => Effect.void,
            { buckets }
          )
        }).pipe(Effect.provide(MemoryEventStore.layer))
      )

      it.live("work goes on once while it is demanded, whatever else is committed (HOST trap 2)", () =>
        Effect.gen(function* () {
          const work = yield* gate
          yield* processOn(
            Effect.gen(function* () {
              const actors = yield* counter.client
              yield* actors.execute("a", { _tag: "Order", work: "w" })
              yield* actors.execute("a", { _tag: "Order", work: "w" })
              for (let by = 1; by < 5; by++) yield* actors.execute("a", { _tag: "Add", by })
              assert.deepStrictEqual(work.begun, ["w"])
              yield* work.letGo
              yield* eventually(
                Effect.map(actors.execute("a", { _tag: "Read" }), ({ state }) => state.open.length === 0)
              )
              assert.deepStrictEqual(work.begun, ["w"])
            }),
            work.perform,
            { buckets }
          )
        }).pipe(Effect.provide(MemoryEventStore.layer))
      )

      it.live("F38: what was demanded when the process ended goes on in the next, by the same path", () =>
        Effect.gen(function* () {
          const work = yield* gate
          yield* processOn(
            Effect.gen(function* () {
              const actors = yield* counter.client
              yield* actors.execute("a", { _tag: "Order", work: "w" })
            }),
            work.perform,
            { buckets }
          )
          assert.deepStrictEqual(work.begun, ["w"])
          yield* processOn(
            Effect.gen(function* () {
              const system = yield* ActorSystem
              yield* Effect.provideService(wakeStream("counter-a"), ActorSystem, system)
              yield* eventually(Effect.sync(() => work.begun.length === 2))
              yield* work.letGo
              yield* eventually(Effect.map(types("counter-a"), (found) => found.includes("Done")))
            }),
            work.perform,
            { buckets }
          )
          assert.deepStrictEqual(yield* types("counter-a"), ["Ordered", "Done"])
        }).pipe(Effect.provide(MemoryEventStore.layer))
      )

      it.live("a foreign append makes it reload and decide again", () =>
        Effect.gen(function* () {
          const log = yield* EventStore
          yield* processOn(
            Effect.gen(function* () {
              const actors = yield* counter.client
              yield* actors.execute("a", { _tag: "Add", by: 1 })
              const scope = yield* Scope.make()
              // Another process with the same actor, on the same log.
              const other = yield* Layer.buildWithScope(
                layer(() => Effect.void, { buckets }),
                scope
              )
              yield* Effect.provideContext(
                Effect.flatMap(counter.client, (client) => client.execute("a", { _tag: "Add", by: 10 })),
                other
              )
              const { state, streamVersion } = yield* actors.execute("a", { _tag: "Add", by: 100 })
              assert.deepStrictEqual([state.total, streamVersion], [111, 3])
              yield* Scope.close(scope, Exit.void)
            }),
            () => Effect.void,
            { buckets }
          )
          assert.strictEqual((yield* log.read("counter-a", 0)).length, 3)
        }).pipe(Effect.provide(MemoryEventStore.layer))
      )

      it.live("a defect of work is tried again, and a defect of a decision harms nobody else", () =>
        Effect.gen(function* () {
          let tries = 0
          yield* processOn(
            Effect.gen(function* () {
              const actors = yield* counter.client
              const broken = yield* Effect.exit(actors.execute("a", { _tag: "Break" }))
              assert.isTrue(Exit.isFailure(broken))
              yield* actors.execute("a", { _tag: "Order", work: "w" })
              yield* eventually(
                Effect.map(actors.execute("a", { _tag: "Read" }), ({ state }) => state.open.length === 0)
              )
              assert.strictEqual(tries, 3)
            }),
            () =>
              Effect.suspend(() => {
                tries++
                return tries < 3 ? Effect.die(new Error("not yet")) : Effect.void
              }),
            { buckets }
          )
        }).pipe(Effect.provide(MemoryEventStore.layer))
      )
    })
  }

  it.live("an idle actor leaves memory, and one that works stays", () =>
    Effect.gen(function* () {
      const work = yield* gate
      yield* processOn(
        Effect.gen(function* () {
          const system = yield* ActorSystem
          const actors = yield* counter.client
          const resident = () => [...system.local.values()].reduce((sum, bucket) => sum + bucket.size(), 0)
          yield* actors.execute("works", { _tag: "Order", work: "w" })
          yield* actors.execute("idles", { _tag: "Add", by: 1 })
          // To an actor that owes nothing memory is given back soon; one at work is kept beyond its idle time.
          yield* eventually(Effect.sync(() => resident() === 1))
          yield* Effect.sleep("1500 millis")
          assert.strictEqual(resident(), 1)
          assert.deepStrictEqual(work.begun, ["w"])
          const { state } = yield* actors.execute("idles", { _tag: "Read" })
          assert.strictEqual(state.total, 1)
        }),
        work.perform
      )
    }).pipe(Effect.provide(MemoryEventStore.layer))
  )

  it.live("what is asked of an actor in one breath reads its stream once, and it leaves memory after the last", () =>
    Effect.gen(function* () {
      const log = yield* EventStore
      let reads = 0
      const counting = EventStore.of({
        ...log,
        read: (streamName, from) => {
          if (streamName === "counter-a") reads++
          return log.read(streamName, from)
        }
      })
      yield* processOn(
        Effect.gen(function* () {
          const system = yield* ActorSystem
          const actors = yield* counter.client
          const resident = () => [...system.local.values()].reduce((sum, bucket) => sum + bucket.size(), 0)
          for (const by of [1, 2, 3]) {
            yield* actors.execute("a", { _tag: "Add", by })
            yield* Effect.sleep("20 millis")
          }
          const readsInOneBreath = reads
          yield* eventually(Effect.sync(() => resident() === 0))
          const { state } = yield* actors.execute("a", { _tag: "Read" })
          assert.deepStrictEqual(
            { total: state.total, readsInOneBreath, reads },
            { total: 6, readsInOneBreath: 1, reads: 2 }
          )
        }).pipe(Effect.provideService(EventStore, counting)),
        () => Effect.void
      ).pipe(Effect.provideService(EventStore, counting))
    }).pipe(Effect.provide(MemoryEventStore.layer))
  )

  it.live("a message that arrives just as its actor leaves memory is answered", () =>
    Effect.gen(function* () {
      yield* processOn(
        Effect.gen(function* () {
          const system = yield* ActorSystem
          const actors = yield* counter.client
          yield* actors.execute("a", { _tag: "Add", by: 1 })
          const [bucket] = [...system.local.values()].filter(({ size }) => size() === 1)
          const late = bucket!.execute("a", { _tag: "Add", by: 2 }, {})
          yield* eventually(Effect.sync(() => bucket!.size() === 0))
          yield* late
          const { state } = yield* actors.execute("a", { _tag: "Read" })
          assert.strictEqual(state.total, 3)
        }),
        () => Effect.void
      )
    }).pipe(Effect.provide(MemoryEventStore.layer))
  )
})
