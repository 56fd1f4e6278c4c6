import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import type { SqlClient } from "effect/sql"
import { EventStore, type RecordedEvent } from "../../src/eventstore/EventStore.ts"
import { LogFollower } from "../../src/eventstore/LogFollower.ts"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import { appendOf } from "../support/appends.ts"
import { database, TestServer } from "../support/postgres.ts"

const fresh = LogFollower.layer.pipe(Layer.provideMerge(PgEventStore.layer), Layer.provideMerge(database))
const append = (streamName: string) => Effect.flatMap(EventStore, (store) => store.append(appendOf({ streamName })))
const names = (events: ReadonlyArray<RecordedEvent>) => events.map(({ streamName }) => streamName)
const until = (seen: ReadonlyArray<string>, count: number) =>
  Effect.repeat(Effect.sleep("5 millis"), { until: () => seen.length >= count })

layer(TestServer.layer, { excludeTestServices: true })("a follower of the log", (it) => {
  const check = (name: string, test: Effect.Effect<void, unknown, EventStore | LogFollower | SqlClient.SqlClient>) =>
    it.effect(name, () => Effect.scoped(Effect.provide(test, fresh)))

  check(
    "begins at the log's head, is given every event in order, and goes on where it stood",
    Effect.gen(function* () {
      const follower = yield* LogFollower
      const seen: Array<string> = []
      const following = follower.follow({
        name: "seen_v1",
        types: ["Happened"],
        begin: "now",
        handle: (events) => Effect.sync(() => seen.push(...names(events)))
      })
      yield* append("run-before")
      const first = yield* Effect.forkChild(following)
      yield* Effect.sleep("300 millis")
      yield* append("run-1")
      yield* until(seen, 1)
      yield* Effect.sleep("50 millis")
      yield* Fiber.interrupt(first)
      yield* append("run-2")
      yield* Effect.forkChild(following)
      yield* append("run-3")
      yield* until(seen, 3)
      assert.deepStrictEqual(seen, ["run-1", "run-2", "run-3"])
    })
  )

  check(
    "holds back no other reader while it handles, and is given again what it was cut off in",
    Effect.gen(function* () {
      const follower = yield* LogFollower
      const store = yield* EventStore
      const seen: Array<string> = []
      let isSlow = true
      const following = follower.follow({
        name: "slow_v1",
        types: ["Happened"],
        begin: "start",
        handle: (events) =>
          Effect.suspend(() => {
            seen.push(...names(events))
            return isSlow ? Effect.never : Effect.void
          })
      })
      const first = yield* Effect.forkChild(following)
      yield* append("run-1")
      yield* until(seen, 1)
      // A transaction that were open now would hide everything that is written after it.
      yield* append("run-2")
      const page = yield* store.readAll({ after: null, limit: 10 })
      assert.deepStrictEqual(names(page.events), ["run-1", "run-2"])
      yield* Fiber.interrupt(first)
      isSlow = false
      yield* Effect.forkChild(following)
      yield* until(seen, 3)
      assert.deepStrictEqual(seen, ["run-1", "run-1", "run-2"], "at least once, in order")
    })
  )

  check(
    "whose handler fails has not passed the event",
    Effect.gen(function* () {
      const follower = yield* LogFollower
      const seen: Array<string> = []
      let isBroken = true
      const following = follower.follow({
        name: "broken_v1",
        types: ["Happened"],
        begin: "start",
        handle: (events) =>
          isBroken ? Effect.fail(new Error("not now")) : Effect.sync(() => seen.push(...names(events)))
      })
      yield* append("run-1")
      const stopped = yield* Effect.flip(following)
      assert.match(stopped.message, /not now/)
      isBroken = false
      yield* Effect.forkChild(following)
      yield* until(seen, 1)
      assert.deepStrictEqual(seen, ["run-1"])
    })
  )
})
