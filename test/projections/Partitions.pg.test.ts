import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { partitionsOf, Partitions } from "../../src/projections/Partitions.ts"
import { ProjectionRunner } from "../../src/projections/ProjectionRunner.ts"
import { database, emptied, TestLog, type Written } from "./support.ts"

const produced = (assetId: string, partitionKey: string): Written => ({
  stream: `asset-${assetId.toLowerCase()}${partitionKey.toLowerCase()}`,
  type: "AssetProduced",
  data: { assetId, partitionKey },
  at: 1_000
})
const retired = (assetId: string, ...keys: ReadonlyArray<string>): Written => ({
  stream: `keys-${assetId.toLowerCase()}`,
  type: "PartitionKeysRetired",
  data: { assetId, keys },
  at: 2_000
})

layer(database, { timeout: 60_000, excludeTestServices: true })("the partitions of assets", (it) => {
  /** The partitions after each of the batches. */
  const after = (...batches: ReadonlyArray<ReadonlyArray<Written>>) => {
    const log = new TestLog()
    const runner = ProjectionRunner.layer([Partitions]).pipe(Layer.provide(log.layer))
    return Effect.gen(function* () {
      yield* emptied
      return yield* Effect.gen(function* () {
        const projections = yield* ProjectionRunner
        const found: Array<ReadonlyArray<string>> = []
        for (const batch of batches) {
          const position = log.append(...batch)
          yield* log.hint
          yield* projections.waitFor(position, { name: Partitions.name })
          found.push(yield* partitionsOf("ORDERS"))
        }
        return found
      }).pipe(Effect.provide(runner))
    })
  }

  it.effect("F64: are in the order of their first production, each once, in whatever case", () =>
    Effect.gen(function* () {
      const first = [produced("orders", "z"), produced("orders", "a"), produced("others", "b"), produced("Orders", "Z")]
      assert.deepStrictEqual(yield* after(first, [produced("orders", "m"), produced("orders", "a")]), [
        ["z", "a"],
        ["z", "a", "m"]
      ])
    })
  )

  it.effect("T20: are gone when they are retired, and come back last, however the log is cut into batches", () =>
    Effect.gen(function* () {
      const events = [
        produced("orders", "a"),
        produced("orders", "b"),
        retired("orders", "A", "unknown"),
        produced("orders", "c"),
        produced("orders", "a")
      ]
      assert.deepStrictEqual(yield* after(events), [["b", "c", "a"]])
      assert.deepStrictEqual(yield* after(...events.map((event) => [event])), [
        ["a"],
        ["a", "b"],
        ["b"],
        ["b", "c"],
        ["b", "c", "a"]
      ])
    })
  )
})
