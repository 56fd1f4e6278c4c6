import { assert, type Vitest } from "@effect/vitest"
import { Effect, type Layer, Option } from "effect"
import type { EventStore } from "../../src/eventstore/EventStore.ts"
import { type Snapshot, Snapshots } from "../../src/eventstore/Snapshots.ts"

const at = (streamVersion: number, state = `{"at":${streamVersion}}`): Snapshot => ({
  streamVersion,
  hash: String(streamVersion).padStart(64, "0"),
  state
})

/** What every adapter of the snapshots must do. They come with the event store; `fresh` has none each time. */
export const contract = <R>(it: Vitest.MethodsNonLive<R>, fresh: Layer.Layer<EventStore, never, R>): void => {
  const check = (name: string, test: Effect.Effect<void, unknown, EventStore>) =>
    it.effect(name, () => Effect.scoped(Effect.provide(test, fresh)))
  const kept = Effect.fnUntraced(function* (streamName: string, stateHash = "shape-1") {
    const snapshots = yield* Snapshots
    return Option.getOrNull(yield* snapshots.read(streamName, stateHash))
  })

  check(
    "a snapshot is read back unchanged, and another stream has none",
    Effect.gen(function* () {
      const snapshots = yield* Snapshots
      const snapshot = at(200, `{"a":  "ä\\u00e4 \\"x\\"", "z":[1.50]}`)
      yield* snapshots.write("asset-a", "shape-1", snapshot)
      assert.deepStrictEqual(yield* kept("asset-a"), snapshot)
      assert.isNull(yield* kept("asset-b"))
    })
  )

  check(
    "a higher version replaces a lower one, and a lower one never a higher one",
    Effect.gen(function* () {
      const snapshots = yield* Snapshots
      for (const version of [200, 600, 400]) yield* snapshots.write("asset-a", "shape-1", at(version))
      assert.deepStrictEqual(yield* kept("asset-a"), at(600))
      yield* snapshots.write("asset-a", "shape-1", at(600, `"again"`))
      assert.deepStrictEqual(yield* kept("asset-a"), at(600, `"again"`))
    })
  )

  check(
    "one of another shape is not read, and is replaced whatever its version",
    Effect.gen(function* () {
      const snapshots = yield* Snapshots
      yield* snapshots.write("asset-a", "shape-0", at(900))
      assert.isNull(yield* kept("asset-a"))
      yield* snapshots.write("asset-a", "shape-1", at(400))
      assert.deepStrictEqual(yield* kept("asset-a"), at(400))
      assert.isNull(yield* kept("asset-a", "shape-0"))
    })
  )

  check(
    "a worthless one is removed, unless another has taken its place",
    Effect.gen(function* () {
      const snapshots = yield* Snapshots
      yield* snapshots.write("asset-a", "shape-1", at(400))
      yield* snapshots.write("asset-b", "shape-1", at(400))
      yield* snapshots.discard("asset-a", 200)
      assert.deepStrictEqual(yield* kept("asset-a"), at(400))
      yield* snapshots.discard("asset-a", 400)
      assert.isNull(yield* kept("asset-a"))
      assert.deepStrictEqual(yield* kept("asset-b"), at(400))
    })
  )
}
