import { layerOn } from "./layerOn.ts"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ActorSystem } from "../../src/actors/ActorSystem.ts"
import * as Actors from "../../src/actors/Actors.ts"
import { Engine } from "../../src/actors/Engine.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as HashChain from "../../src/eventstore/HashChain.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { defineJob } from "../../src/index.ts"
import { counter, layer } from "../actors/counterActor.ts"
import { stepFor } from "../support/chainApp.ts"
import { define, ended, eventsOf, gate, play, start, stepIs, succeeded, temporaryFolder } from "../support/engine.ts"

const slowLog = (ms: number) =>
  Effect.gen(function* () {
    const log = yield* EventStore
    return EventStore.of({ ...log, append: (append) => Effect.delay(log.append(append), `${ms} millis`) })
  })

describe("what once went wrong in the host", () => {
  it.live("each command's metadata is on its own first event", () =>
    Effect.gen(function* () {
      const slow = yield* slowLog(20)
      yield* Effect.gen(function* () {
        const actors = yield* counter.client
        yield* Effect.all(
          [
            actors.execute("a", { _tag: "Add", by: 1 }, { principal: "first", commandId: "c1" }),
            actors.execute("a", { _tag: "Add", by: 2 }),
            actors.execute("a", { _tag: "Add", by: 3 }, { principal: "alice", commandId: "c2" }),
            actors.execute("a", { _tag: "Add", by: 4 }, { principal: "bob", commandId: "c3" })
          ],
          { concurrency: "unbounded" }
        )
        const events = yield* slow.read("counter-a", 0)
        const seen = events.map(({ payload, metadata }) => [JSON.parse(payload).by, metadata.principal ?? null])
        assert.deepStrictEqual(seen, [
          [1, "first"],
          [2, null],
          [3, "alice"],
          [4, "bob"]
        ])
      }).pipe(
        Effect.provide(layer(() => Effect.void, { buckets: 4 })),
        Effect.provideService(EventStore, slow),
        Effect.scoped
      )
    }).pipe(Effect.provide(MemoryEventStore.layer))
  )

  it.live(
    "a stream that cannot be decoded does not keep the process busy",
    () =>
      Effect.gen(function* () {
        const log = yield* EventStore
        let reads = 0
        const counting = EventStore.of({
          ...log,
          read: (...args) =>
            Effect.suspend(() => {
              reads++
              if (reads > 20000) throw new Error("runaway")
              return Effect.delay(log.read(...args), "1 millis")
            })
        })
        const stored = { type: "FromTheFuture", schemaVersion: 1, payload: "{}" }
        const hash = HashChain.link(HashChain.genesis, { streamVersion: 1, ...stored, recordedAt: 1, metadata: "" })
        yield* log.append({
          streamName: "counter-bad",
          expectedVersion: 0,
          events: [{ ...stored, metadata: {}, recordedAt: 1, hash }],
          wakeAt: 1,
          waitsOn: null
        })
        yield* Effect.gen(function* () {
          const actors = yield* counter.client
          yield* actors.wake("bad")
          yield* Effect.sleep("2 seconds")
          assert.isBelow(reads, 50)
        }).pipe(
          Effect.provide(layer(() => Effect.void, { buckets: 4 })),
          Effect.provideService(EventStore, counting),
          Effect.scoped
        )
      }).pipe(Effect.provide(MemoryEventStore.layer), Effect.provide(Layer.empty)),
    20000
  )

  it.live(
    "a command never meets a closed actor",
    () =>
      Effect.gen(function* () {
        yield* Effect.gen(function* () {
          const actors = yield* counter.client
          let died = 0
          let _first = ""
          for (let round = 0; round < 30; round++) {
            yield* Effect.forEach(
              Array.from({ length: 4000 }, (_, i) => i),
              (i) =>
                Effect.matchCause(actors.execute(`a${i % 3}`, { _tag: "Read" }), {
                  onFailure: (c) => {
                    died++
                    _first ||= String(c)
                  },
                  onSuccess: () => {}
                }),
              { concurrency: 50 }
            )
          }
          assert.strictEqual(died, 0)
        }).pipe(Effect.provide(layer(() => Effect.void, { buckets: 4 })), Effect.scoped)
      }).pipe(Effect.provide(MemoryEventStore.layer)),
    60000
  )

  it.live("a command that cannot be stored does not cut off a running attempt", () => {
    const door = gate()
    const jobs = [
      defineJob({
        slug: "work",
        run: async () => {
          await door.pass()
        }
      })
    ]
    return play({ jobs, workflows: { w: { steps: [stepFor("work")] } } }, () =>
      Effect.gen(function* () {
        const { id } = yield* start("w")
        yield* stepIs(id, "work", "running")
        const engine = yield* Engine
        yield* Effect.exit(engine.cancelRun(id, "a\0b"))
        yield* Effect.sleep("300 millis")
        door.open()
        const _run = yield* ended(id)
        const cut = yield* eventsOf(`run-${id}`, "RunInterrupted")
        assert.strictEqual(cut.length, 0)
      })
    )
  })

  it.live(
    "the cost of a slot does not grow with the limit's history",
    () => {
      const jobs = [defineJob({ slug: "work", run: async () => {} })]
      return Effect.scoped(
        Effect.gen(function* () {
          const folder = yield* temporaryFolder
          const built = yield* Layer.build(MemoryEventStore.layer)
          const log = yield* Effect.provideContext(EventStore, built)
          let rows = 0
          const counting = EventStore.of({
            ...log,
            read: (name, after, limit) =>
              Effect.tap(log.read(name, after, limit), (found) =>
                Effect.sync(() => {
                  if (name.startsWith("limit-")) rows += found.length
                })
              )
          })
          const ctx = yield* Layer.build(Layer.succeed(EventStore, counting))
          yield* Effect.gen(function* () {
            yield* define({ w: { concurrency: 4, steps: [stepFor("work")] } })
            for (let i = 0; i < 300; i++) yield* succeeded("w")
            assert.isBelow(rows, 5000)
          }).pipe(Effect.provide(layerOn(ctx, { jobs, baseDir: folder })))
        })
      )
    },
    60000
  )
})
void Actors
void ActorSystem
