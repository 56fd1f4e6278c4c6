import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Context, Effect, Exit, Fiber } from "effect"
import * as Cell from "../../src/actors/Cell.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import { Snapshots } from "../../src/eventstore/Snapshots.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { until } from "../support/engine.ts"
import { behaviourOf } from "./counterActor.ts"

/** Work that never ends by itself, and what became of it. */
const endless = () => {
  const seen = { begun: [] as Array<string>, ended: [] as Array<string> }
  const perform = (work: string) =>
    Effect.andThen(
      Effect.sync(() => seen.begun.push(work)),
      Effect.onInterrupt(Effect.never, () => Effect.sync(() => seen.ended.push(work)))
    )
  return { seen, perform }
}

/** One actor in memory, and whether its shard is ours; another process has one of the same stream. */
const cellOf = Effect.fnUntraced(function* (
  perform: (work: string) => Effect.Effect<void>,
  creates?: Parameters<typeof behaviourOf>[1]
) {
  const store = yield* EventStore
  const shard = { isOurs: true, idled: 0 }
  const cell = Cell.make({
    behaviour: behaviourOf(perform, creates),
    actorId: "a",
    store,
    snapshots: yield* Snapshots,
    clock: yield* Clock.Clock,
    context: Context.empty(),
    owned: () => shard.isOurs,
    onIdle: () => shard.idled++
  })
  yield* Effect.addFinalizer(() => Effect.sync(cell.close))
  return { ...cell, shard }
})

const typesInLog = Effect.gen(function* () {
  const log = yield* EventStore
  return (yield* log.read("counter-a", 0)).map(({ type }) => type)
})
const reasonOf = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "it succeeded"

describe("an actor whose stream another process has written to", () => {
  it.live("T37: stops every activity and leaves when its shard has moved, and writes nothing more", () =>
    Effect.gen(function* () {
      const { perform, seen } = endless()
      const ours = yield* cellOf(perform)
      yield* ours.execute({ _tag: "Order", work: "w" }, {})
      yield* until(
        Effect.sync(() => seen.begun),
        (begun) => begun.length === 1,
        "work"
      )
      const theirs = yield* cellOf(() => Effect.never)
      yield* theirs.execute({ _tag: "Add", by: 1 }, {})

      ours.shard.isOurs = false
      const { idled } = ours.shard
      const asked = yield* Effect.forEach([10, 20], (by) =>
        Effect.forkChild(Effect.exit(ours.execute({ _tag: "Add", by }, {})))
      )
      const exits = yield* Effect.forEach(asked, Fiber.join)
      for (const exit of exits) assert.match(reasonOf(exit), /counter-a (has moved to another process|was closed)/)
      assert.include(reasonOf(exits[0]!), "has moved to another process")
      yield* until(
        Effect.sync(() => seen.ended),
        (ended) => ended.length === 1,
        "end of the work"
      )
      assert.deepStrictEqual(ours.fibers(), [])
      assert.isTrue(ours.isDone() && ours.shard.idled > idled, "it asks to be forgotten")
      const late = yield* Effect.exit(ours.execute({ _tag: "Add", by: 30 }, {}))
      assert.include(reasonOf(late), "counter-a was closed")
      ours.wake()
      yield* Effect.sleep("20 millis")
      assert.deepStrictEqual(seen.begun, ["w"], "nothing is begun again")
      assert.deepStrictEqual(yield* typesInLog, ["Ordered", "Added"])
    }).pipe(Effect.scoped, Effect.provide(MemoryEventStore.layer))
  )

  it.live("T37: reloads and decides again while its shard is still its own; what is no longer demanded ends", () =>
    Effect.gen(function* () {
      const { perform, seen } = endless()
      const ours = yield* cellOf(perform)
      for (const work of ["kept", "finished elsewhere"]) yield* ours.execute({ _tag: "Order", work }, {})
      yield* until(
        Effect.sync(() => seen.begun),
        (begun) => begun.length === 2,
        "work"
      )
      const theirs = yield* cellOf(() => Effect.never)
      yield* theirs.execute({ _tag: "Finish", work: "finished elsewhere" }, {})
      yield* theirs.execute({ _tag: "Order", work: "begun elsewhere" }, {})
      yield* theirs.execute({ _tag: "Add", by: 1 }, {})

      // On its own state the second would be new: on what the log says there is nothing left to decide.
      const [added, ordered] = yield* Effect.all(
        [ours.execute({ _tag: "Add", by: 10 }, {}), ours.execute({ _tag: "Order", work: "begun elsewhere" }, {})],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(added.state, { total: 11, open: ["kept", "begun elsewhere"] })
      assert.strictEqual(ordered.streamVersion, 6)
      assert.deepStrictEqual(yield* typesInLog, ["Ordered", "Ordered", "Done", "Ordered", "Added", "Added"])
      yield* until(
        Effect.sync(() => seen.ended),
        (ended) => ended.length === 1,
        "end of the work"
      )
      assert.deepStrictEqual(seen.ended, ["finished elsewhere"])
      assert.deepStrictEqual(seen.begun, ["kept", "finished elsewhere", "begun elsewhere"], "each once")
    }).pipe(Effect.scoped, Effect.provide(MemoryEventStore.layer))
  )

  it.live("loads the stream that its first command took to be new, and decides that command on what is there", () =>
    Effect.gen(function* () {
      const theirs = yield* cellOf(() => Effect.never)
      yield* theirs.execute({ _tag: "Add", by: 90 }, {})
      yield* theirs.execute({ _tag: "Order", work: "w" }, {})
      const { perform, seen } = endless()
      const ours = yield* cellOf(perform, () => true)
      const { state, streamVersion } = yield* ours.execute({ _tag: "Add", by: 5 }, {})
      assert.deepStrictEqual([state.total, streamVersion], [95, 3])
      yield* until(
        Effect.sync(() => seen.begun),
        (begun) => begun.length === 1,
        "work that was demanded already"
      )
    }).pipe(Effect.scoped, Effect.provide(MemoryEventStore.layer))
  )
})
