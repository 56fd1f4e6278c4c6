import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { rows as tableRows } from "../../src/capabilities/duckdbClassification.ts"
import type { TimestoreOptions } from "../../src/capabilities/Timestore.ts"
import { fixture, outcome, sumAndCount, threePartitions, written } from "./timestoreFixture.ts"

describe("DuckDB errors, each row by the real error of the real engine", () => {
  /** What a query comes to whose one partition has this content, recorded as it is. */
  const ofContent = (content: (good: Buffer) => Uint8Array, sql = "SELECT * FROM readings") =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const rows = Array.from({ length: 5_000 }, (_, index) => ({ index, text: `row ${(index * 7919) % 1000}` }))
      const location = yield* written(made, "k", rows)
      const good = yield* Effect.promise(() => readFile(join(made.root, location.key)))
      const replaced = yield* made.store.write("timestore/readings/bad.parquet", content(good))
      const query = made.timestore.query([{ ...replaced, partitionKey: "k" }], "readings", sql)
      const { failure } = yield* Effect.flip(Effect.as(query, null))
      if (failure.class === "corrupt") {
        assert.deepStrictEqual([failure.store, failure.key], ["lake", "timestore/readings/bad.parquet"])
        assert.notInclude(failure.message, made.cacheDir, "the message names the object, not our copy of it")
      }
      return `${failure.class} ${failure.code}`
    })

  const ofQuery = (sql: string, options?: Partial<TimestoreOptions>) =>
    Effect.gen(function* () {
      const made = yield* fixture(options)
      const [location] = yield* threePartitions(made)
      return yield* outcome(made.timestore.query([location!], "readings", sql))
    })

  const zstdMagic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])

  const flipped = (good: Buffer, at: number) => {
    const bad = Buffer.from(good)
    bad[at] = bad[at]! ^ 0xff
    return bad
  }

  const cases: Record<string, Effect.Effect<void, unknown, Scope.Scope>> = {
    "no such file": Effect.gen(function* () {
      // Its own files are staged before DuckDB looks, so this is a file beside them: no asset of the store is missing.
      assert.strictEqual(
        yield* ofQuery("SELECT * FROM read_parquet('/nonexistent/*.parquet')"),
        "permanent access_denied"
      )
    }),
    "no such object behind a URL": Effect.gen(function* () {
      // No HTTP extension is there and none may be fetched: the URL is refused before anybody is asked.
      assert.strictEqual(
        yield* ofQuery("SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')"),
        "permanent access_denied"
      )
    }),
    "not a Parquet file, or the end of one is cut off": Effect.gen(function* () {
      assert.strictEqual(yield* ofContent(() => Buffer.from("<html>not parquet</html>")), "corrupt not_parquet")
      assert.strictEqual(yield* ofContent(() => new Uint8Array(0)), "corrupt not_parquet")
      assert.strictEqual(yield* ofContent((good) => good.subarray(0, good.length / 2)), "corrupt not_parquet")
    }),
    "a Parquet file with broken pages": Effect.gen(function* () {
      assert.strictEqual(yield* ofContent((good) => flipped(good, good.indexOf(zstdMagic))), "corrupt broken_parquet")
    }),
    "a Parquet file with a broken header or footer": Effect.gen(function* () {
      assert.strictEqual(yield* ofContent((good) => flipped(good, good.length - 9)), "corrupt broken_parquet")
    }),
    "out of memory or spill space": Effect.gen(function* () {
      const sql = "SELECT list(range) AS all_of_them FROM range(50000000)"
      assert.strictEqual(yield* ofQuery(sql, { memoryMb: 30 }), "transient out_of_memory")
    }),
    interrupted: Effect.gen(function* () {
      // An interrupted query has no failure to look at, so the engine is asked directly.
      const { classifyUnknown } = yield* Effect.promise(() => import("../../src/capabilities/classifyUnknown.ts"))
      const { DuckDBInstance } = yield* Effect.promise(() => import("@duckdb/node-api"))
      const instance = yield* Effect.promise(() => DuckDBInstance.create(":memory:"))
      const connection = yield* Effect.promise(() => instance.connect())
      const running = connection.run("SELECT count(*) FROM range(100000000000) a WHERE (a.range * 7) % 3 = 1")
      yield* Effect.sleep("100 millis")
      connection.interrupt()
      const cause = yield* Effect.promise(() => running.catch((error: unknown) => error))
      instance.closeSync()
      assert.strictEqual(classifyUnknown(cause).code, "interrupted")
    }),
    "a file that may not be touched": Effect.gen(function* () {
      assert.strictEqual(yield* ofQuery("SELECT * FROM read_text('/etc/passwd')"), "permanent access_denied")
    }),
    "a statement or value that is wrong": Effect.gen(function* () {
      const wrong = [
        "SELEC 1",
        "SELECT nope FROM readings",
        "SELECT * FROM nope",
        "SELECT 'Failed to read file \"x\": Snappy 404'::INT",
        "SELECT sqrt(-1)",
        "SELECT no_such_function(1)",
        "SELECT value FROM readings WHERE value = ?",
        "SELECT date '2024-13-01'"
      ]
      for (const sql of wrong) assert.strictEqual(yield* ofQuery(sql), "permanent invalid_query", sql)
    }),
    "the local disk or the engine itself": Effect.gen(function* () {
      const made = yield* fixture()
      const [location] = yield* threePartitions(made)
      // The cache's folder is a file: nothing can be staged, which is no loss of any asset.
      yield* Effect.promise(async () => {
        await rm(made.cacheDir, { recursive: true, force: true })
        await writeFile(made.cacheDir, "")
      })
      const query = made.timestore.query([location!], "readings", sumAndCount)
      assert.strictEqual(yield* outcome(query), "transient local_disk")
    })
  }

  it("covers each row of the table", () =>
    assert.deepStrictEqual(
      Object.keys(cases),
      tableRows.map(({ situation }) => situation)
    ))
  for (const [situation, test] of Object.entries(cases)) it.live(situation, () => test)
})
