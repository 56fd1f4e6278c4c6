import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Deferred, Effect, Fiber, Layer, Option, Schedule, Schema, SchemaTransformation } from "effect"
import { ActorSystem, layerSingleRunner } from "../../src/actors/ActorSystem.ts"
import * as Cell from "../../src/actors/Cell.ts"
import { everyEvents } from "../../src/actors/SnapshotKeeper.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as HashChain from "../../src/eventstore/HashChain.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { type Snapshot, Snapshots } from "../../src/eventstore/Snapshots.ts"
import * as StateCodec from "../../src/eventstore/StateCodec.ts"
import { behaviourOf, counter, StateJson } from "./counterActor.ts"

type Service = typeof Snapshots.Service

const codec = StateCodec.make(StateJson, { revision: 1 })
const streamName = "counter-a"

/** Fresh actors of one log, which notes what is asked of it. */
const host = Effect.gen(function* () {
  const context = yield* Layer.build(MemoryEventStore.layer)
  const log = Context.get(context, EventStore)
  const clock = yield* Clock.Clock
  const kept = Context.get(context, Snapshots)
  const reads: Array<readonly [afterVersion: number, events: number]> = []
  const store = EventStore.of({
    ...log,
    read: (name, afterVersion, limit) =>
      Effect.tap(log.read(name, afterVersion, limit), (events) =>
        Effect.sync(() => reads.push([afterVersion, events.length]))
      )
  })
  const cell = (given: { readonly snapshots?: Service; readonly snapshot?: typeof codec | null } = {}) => {
    const { snapshot = codec, snapshots = kept } = given
    let idled = 0
    const made = Cell.make({
      behaviour: { ...behaviourOf(() => Effect.void), ...(snapshot === null ? {} : { snapshot }) },
      ...{ actorId: "a", store, snapshots, clock, context: Context.empty() },
      owned: () => true,
      onIdle: () => {
        idled++
      }
    })
    const add = (times: number) =>
      Effect.forEach(
        Array.from({ length: times }, () => made.execute({ _tag: "Add", by: 1 }, {})),
        (one) => one,
        { concurrency: "unbounded", discard: true }
      )
    /** What it is, and the reads that this took. */
    const state = Effect.gen(function* () {
      reads.length = 0
      const { state, streamVersion } = yield* made.execute({ _tag: "Read" }, {})
      return { total: state.total, streamVersion, reads: [...reads] }
    })
    /** Waits until it writes no snapshot any more. */
    const settled = Effect.repeat(Effect.sync(made.isIdle), { until: (idle) => idle, schedule: Schedule.spaced(1) })
    return { add, idled: () => idled, made, settled, state }
  }
  const snapshot = Effect.map(kept.read(streamName, codec.hash), Option.getOrNull)
  return { cell, kept, log, snapshot }
})

/** An actor whose stream is this long, and who has left memory since. */
const grown = Effect.fnUntraced(function* (events: number) {
  const { cell, ...rest } = yield* host
  const first = cell()
  yield* first.add(events)
  yield* first.settled
  first.made.close()
  return { cell, ...rest }
})

const all = (events: number) => ({ total: events, streamVersion: events })

describe("snapshots of a long stream", () => {
  it.live("an activation reads the snapshot and the events after it, and the chain goes on from there", () =>
    Effect.gen(function* () {
      const { cell, log, snapshot } = yield* grown(250)
      assert.strictEqual((yield* snapshot)?.streamVersion, 250)
      const later = cell()
      yield* later.add(100)
      later.made.close()
      const again = cell()
      assert.deepStrictEqual(yield* again.state, {
        ...all(350),
        reads: [
          [0, everyEvents],
          [249, 101]
        ]
      })
      yield* again.add(1)
      assert.isNull(HashChain.verify(yield* log.read(streamName, 0)))
    }).pipe(Effect.scoped)
  )

  for (const buckets of [4, "actor"] as const) {
    it.live(`the host gives its actors the snapshots of its log, with ${buckets} as buckets`, () =>
      Effect.gen(function* () {
        const snapshots = yield* Snapshots
        const process = counter
          .toLayer({ ...behaviourOf(() => Effect.void), snapshot: codec })
          .pipe(Layer.provideMerge(layerSingleRunner), Layer.provideMerge(ActorSystem.layer({ buckets })))
        const grow = Effect.gen(function* () {
          const actors = yield* counter.client
          for (let nth = 0; nth < everyEvents; nth++) yield* actors.execute("a", { _tag: "Add", by: 1 })
          const { streamVersion } = yield* Effect.flatMap(
            snapshots.read(streamName, codec.hash),
            Effect.fromOption
          ).pipe(Effect.retry({ schedule: Schedule.spaced("5 millis"), times: 200 }))
          assert.strictEqual(streamVersion, everyEvents)
        })
        yield* Effect.scoped(Effect.provide(grow, process))
      }).pipe(Effect.provide(MemoryEventStore.layer))
    )
  }

  it.live("a short stream has none, and asks for none", () =>
    Effect.gen(function* () {
      const { cell, kept, snapshot } = yield* grown(everyEvents - 1)
      assert.isNull(yield* snapshot)
      let asked = 0
      const asking: Service = {
        ...kept,
        read: (...args) => {
          asked++
          return kept.read(...args)
        }
      }
      assert.deepStrictEqual(yield* cell({ snapshots: asking }).state, { ...all(199), reads: [[0, 199]] })
      assert.strictEqual(asked, 0)
    }).pipe(Effect.scoped)
  )

  it.live("a stream that has grown long without one gets it when it is read", () =>
    Effect.gen(function* () {
      const { cell, kept, snapshot } = yield* grown(2_500)
      yield* kept.discard(streamName, (yield* snapshot)!.streamVersion)
      const again = cell()
      assert.deepInclude(yield* again.state, all(2_500))
      yield* again.settled
      assert.strictEqual((yield* snapshot)?.streamVersion, 2_500)
    }).pipe(Effect.scoped)
  )

  it.live("an actor without a codec reads a long stream in pages", () =>
    Effect.gen(function* () {
      const { cell } = yield* grown(1_200)
      const pages = [
        [0, 500],
        [500, 500],
        [1_000, 200]
      ]
      assert.deepStrictEqual<unknown>(yield* cell({ snapshot: null }).state, { ...all(1_200), reads: pages })
    }).pipe(Effect.scoped)
  )
})

describe("a snapshot is disposable", () => {
  const worthless: ReadonlyArray<readonly [string, (right: Snapshot) => Snapshot, stateHash?: string]> = [
    ["that cannot be read", (right) => ({ ...right, state: `{"total":"many"}` })],
    ["that is no JSON", (right) => ({ ...right, state: "{" })],
    ["of another shape", (right) => ({ ...right, state: `{"total":7,"open":[]}` }), "another"],
    ["of another shape, ahead of the stream", (right) => ({ ...right, streamVersion: 900 }), "another"],
    [
      "ahead of the stream (a restored dump)",
      (right) => ({ ...right, streamVersion: 900, state: `{"total":7,"open":[]}` })
    ],
    ["of another history", (right) => ({ ...right, hash: "00".repeat(32), state: `{"total":7,"open":[]}` })],
    ["of another place than it says", (right) => ({ ...right, streamVersion: 249, state: `{"total":7,"open":[]}` })]
  ]
  for (const [name, spoil, stateHash = codec.hash] of worthless) {
    it.live(`one ${name} is ignored, and overwritten`, () =>
      Effect.gen(function* () {
        const { cell, kept, snapshot } = yield* grown(250)
        const right = (yield* snapshot)!
        yield* kept.discard(streamName, 250)
        yield* kept.write(streamName, stateHash, spoil(right))
        const again = cell()
        assert.deepInclude(yield* again.state, all(250))
        yield* again.settled
        assert.deepStrictEqual(yield* snapshot, right)
      }).pipe(Effect.scoped)
    )
  }

  it.live("when it can be neither read nor written the actor goes on as without", () =>
    Effect.gen(function* () {
      const { cell } = yield* grown(250)
      const broken = Effect.die(new Error("permission denied for table snapshots"))
      const again = cell({ snapshots: { read: () => broken, write: () => broken, discard: () => broken } })
      assert.deepInclude(yield* again.state, all(250))
      yield* again.add(300)
      yield* again.settled
      assert.deepInclude(yield* again.state, all(550))
    }).pipe(Effect.scoped)
  )

  it.live("its writing holds up no command, and one write takes the place of all that fell due meanwhile", () =>
    Effect.gen(function* () {
      const { cell, kept } = yield* host
      const open = yield* Deferred.make<void>()
      const begun: Array<number> = []
      const written: Array<number> = []
      const slow: Service = {
        ...kept,
        write: (name, hash, snapshot) =>
          Effect.gen(function* () {
            begun.push(snapshot.streamVersion)
            yield* Deferred.await(open)
            written.push(snapshot.streamVersion)
            yield* kept.write(name, hash, snapshot)
          })
      }
      const actor = cell({ snapshots: slow })
      yield* actor.add(250)
      yield* Effect.repeat(
        Effect.sync(() => begun.length),
        { until: (count) => count > 0, schedule: Schedule.spaced(1) }
      )
      for (let round = 1; round < 10; round++) yield* Effect.andThen(actor.add(250), Effect.sleep(1))
      assert.deepInclude(yield* actor.state, all(2_500))
      assert.deepStrictEqual([begun, written], [[250], []])
      // It stays in memory until the snapshot is there, and is asked again whether it may leave.
      assert.isFalse(actor.made.isIdle())
      const before = actor.idled()
      yield* Deferred.succeed(open, undefined)
      yield* actor.settled
      assert.deepStrictEqual(written, [250, 2_500])
      assert.strictEqual(actor.idled(), before + 1)
    }).pipe(Effect.scoped)
  )

  it.live("one that failed is not tried again before the next is due", () =>
    Effect.gen(function* () {
      const { cell, kept, snapshot } = yield* host
      let tries = 0
      const failing: Service = {
        ...kept,
        write: (...args) =>
          Effect.suspend(() => (++tries === 1 ? Effect.die(new Error("disk full")) : kept.write(...args)))
      }
      const actor = cell({ snapshots: failing })
      const grow = (events: number) => Effect.andThen(actor.add(events), actor.settled)
      yield* grow(200)
      yield* grow(199)
      assert.strictEqual(tries, 1)
      yield* grow(1)
      assert.deepStrictEqual([tries, (yield* snapshot)?.streamVersion], [2, 400])
    }).pipe(Effect.scoped)
  )

  it.live("a large state waits for more events than 200, and one that is too large for one that is not", () =>
    Effect.gen(function* () {
      const { cell, kept } = yield* host
      const written: Array<number> = []
      const noting: Service = {
        ...kept,
        write: (name, hash, snapshot) => {
          written.push(snapshot.streamVersion)
          return kept.write(name, hash, snapshot)
        }
      }
      const padded = Schema.String.pipe(
        Schema.decodeTo(
          codec.schema,
          SchemaTransformation.transform({ decode: (text) => text.trim(), encode: (text) => text.padEnd(150_000) })
        )
      )
      const large = { ...codec, schema: padded, isKept: ({ total }: { readonly total: number }) => total !== 500 }
      const grow = Effect.fnUntraced(function* (events: number) {
        const actor = cell({ snapshots: noting, snapshot: large })
        for (let nth = 0; nth < events; nth++) yield* Effect.andThen(actor.add(1), actor.settled)
        actor.made.close()
      })
      yield* grow(450)
      assert.deepStrictEqual(written, [200])
      // A new activation knows the size from what it reads.
      yield* grow(350)
      assert.deepStrictEqual(written, [200, 501])
      yield* grow(1)
      assert.deepStrictEqual(written, [200, 501, 801])
    }).pipe(Effect.scoped)
  )

  it.live("a closed actor leaves its write behind", () =>
    Effect.gen(function* () {
      const { cell, kept } = yield* host
      const interrupted = yield* Deferred.make<void>()
      const actor = cell({
        snapshots: {
          ...kept,
          write: () => Effect.onInterrupt(Effect.never, () => Effect.asVoid(Deferred.succeed(interrupted, undefined)))
        }
      })
      yield* actor.add(200)
      yield* Effect.sleep("5 millis")
      actor.made.close()
      yield* Fiber.join(yield* Effect.forkChild(Effect.timeout(Deferred.await(interrupted), "2 seconds")))
    }).pipe(Effect.scoped)
  )
})
