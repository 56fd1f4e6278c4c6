import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { LocationIndex } from "../../src/projections/LocationIndex.ts"
import { Locations } from "../../src/projections/Locations.ts"
import { ProjectionRunner } from "../../src/projections/ProjectionRunner.ts"
import { database, emptied, TestLog, type Written } from "./support.ts"

interface File {
  readonly key: string
  readonly sha256?: string
  readonly written?: boolean
}

/** A production of `assetId`; parts are written by its step unless they say otherwise. */
const produced = (
  assetId: string,
  generation: number,
  parts: ReadonlyArray<File>,
  more: { readonly partitionKey?: string; readonly producedAt?: number } = {}
): Written => {
  const { partitionKey = "", producedAt = generation * 1_000 } = more
  const recorded = parts.map(({ key, sha256 = "aa", written = true }) => ({
    ...{ store: "warehouse", key, bytes: 7, etag: `e${generation}`, sha256, written }
  }))
  const data = {
    assetId,
    partitionKey,
    generation,
    producedAt,
    parts: recorded,
    workflow: "w",
    stepId: "s",
    runId: "r"
  }
  return { stream: `asset-${assetId.toLowerCase()}${partitionKey}`, type: "AssetProduced", data, at: producedAt }
}

const indexed = <A, E, R>(log: TestLog, test: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    yield* emptied
    const runner = ProjectionRunner.layer([Locations]).pipe(Layer.provide(log.layer))
    return yield* test.pipe(Effect.provide(LocationIndex.layer.pipe(Layer.provideMerge(runner))))
  })

const caughtUp = Effect.fnUntraced(function* (log: TestLog) {
  const index = yield* LocationIndex
  yield* index.waitFor(TestLog.position(log.events.length))
  return index
})

layer(database, { timeout: 60_000, excludeTestServices: true })("the locations index", (it) => {
  it.effect("finds the asset whose file a raw 404 names (F4, T6)", () => {
    const log = new TestLog()
    return indexed(
      log,
      Effect.gen(function* () {
        log.append(produced("Orders.Raw", 3, [{ key: "orders/1.json", sha256: "ab" }], { partitionKey: "2024-01" }))
        const index = yield* caughtUp(log)
        assert.deepStrictEqual(yield* index.owner("warehouse", "orders/1.json"), {
          ...{
            store: "warehouse",
            key: "orders/1.json",
            assetId: "Orders.Raw",
            partitionKey: "2024-01",
            generation: 3
          },
          ...{ sha256: "ab", bytes: 7, etag: "e3", written: true, producedAt: 3_000 },
          ...{ position: TestLog.position(1), isCurrent: true }
        })
        assert.isNull(yield* index.owner("warehouse", "orders/2.json"))
        assert.isNull(yield* index.owner("inbox", "orders/1.json"))
      })
    )
  })

  it.effect("gives a file to the asset that wrote it last; others that list it only use it", () => {
    const log = new TestLog()
    const ownerOf = Effect.fnUntraced(function* (key: string) {
      const found = yield* (yield* caughtUp(log)).owner("warehouse", key)
      return `${found?.assetId}@${found?.generation}`
    })
    return indexed(
      log,
      Effect.gen(function* () {
        log.append(produced("user", 1, [{ key: "f", written: false }]))
        assert.strictEqual(yield* ownerOf("f"), "user@1", "nobody is known to have written it")
        log.append(produced("writer", 1, [{ key: "f" }]))
        assert.strictEqual(yield* ownerOf("f"), "writer@1")
        log.append(produced("user", 2, [{ key: "f", written: false }]))
        assert.strictEqual(yield* ownerOf("f"), "writer@1")
        log.append(
          produced("writer", 2, [{ key: "f", written: false }]),
          produced("user", 3, [{ key: "f", written: false }])
        )
        assert.strictEqual(yield* ownerOf("f"), "writer@2", "the owner's next generation still lists it")
        log.append(produced("user", 4, [{ key: "f" }]))
        assert.strictEqual(yield* ownerOf("f"), "user@4")
      })
    )
  })

  it.effect("knows the other places of the same bytes", () => {
    const log = new TestLog()
    return indexed(
      log,
      Effect.gen(function* () {
        log.append(
          produced("a", 1, [{ key: "a/1", sha256: "same" }]),
          produced("b", 1, [{ key: "b/1", sha256: "same" }]),
          produced("c", 1, [{ key: "c/1", sha256: "same" }]),
          produced("c", 2, [{ key: "c/1", sha256: "other" }])
        )
        const index = yield* caughtUp(log)
        const places = yield* index.bySha256("same")
        assert.deepStrictEqual(
          places.map(({ key }) => key),
          ["b/1", "a/1"]
        )
      })
    )
  })

  it.effect("lists a data set by what was recorded, and tells files of replaced generations", () => {
    const log = new TestLog()
    return indexed(
      log,
      Effect.gen(function* () {
        log.append(
          produced("m", 1, [{ key: "metrics/day=1/x.parquet" }], { partitionKey: "1" }),
          produced("m", 1, [{ key: "metrics/day=2/x.parquet" }], { partitionKey: "2" }),
          produced("m", 2, [{ key: "metrics/day=2/y.parquet" }], { partitionKey: "2" }),
          // Arrives late: it is older than the current generation and does not replace it (T8).
          produced("m", 3, [{ key: "metrics/day=2/z.parquet" }], { partitionKey: "2", producedAt: 500 }),
          produced("m", 1, [{ key: "metrics2/day=1/x.parquet" }], { partitionKey: "9" })
        )
        const index = yield* caughtUp(log)
        const found = yield* index.inDataset("warehouse", "metrics/")
        assert.deepStrictEqual(
          found.map(({ isCurrent, key, partitionKey }) => [key, partitionKey, isCurrent]),
          [
            ["metrics/day=1/x.parquet", "1", true],
            ["metrics/day=2/x.parquet", "2", false],
            ["metrics/day=2/y.parquet", "2", true],
            ["metrics/day=2/z.parquet", "2", false]
          ]
        )
      })
    )
  })

  it.effect("says whether it has passed a position, so that `no owner` can be believed", () => {
    const log = new TestLog()
    return indexed(
      log,
      Effect.gen(function* () {
        const index = yield* LocationIndex
        const next = TestLog.position(1)
        assert.isFalse(yield* index.caughtUp(next))
        const behind = yield* Effect.flip(index.waitFor(next, 50))
        assert.strictEqual(behind._tag, "ProjectionBehind")
        log.append(produced("a", 1, [{ key: "a" }]))
        yield* index.waitFor(next)
        assert.isTrue(yield* index.caughtUp(next))
        // An event of another category moves the index on as well.
        const other = log.append({ stream: "limit-x", type: "LimitTaken", data: {}, at: 1 })
        yield* index.waitFor(other)
      })
    )
  })
})
