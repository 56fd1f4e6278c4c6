import { assert, describe, it, layer } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer } from "effect"
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Stores } from "../../src/capabilities/Stores.ts"
import { type PartitionLocation, Timestore } from "../../src/capabilities/Timestore.ts"
import { Fauxqs } from "../support/fauxqs.ts"
import { fixture, opened, outcome, sumAndCount, temporary, threePartitions, written } from "./timestoreFixture.ts"

describe("the timestore", () => {
  it.live("gives back what was written: numbers, texts, booleans, nulls, dates", () =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const at = new Date("2024-01-31T23:59:59.123Z")
      const rows = [
        {
          station: "Ü'1\"",
          count: 3,
          mean: 1.5,
          ok: true,
          at,
          iso: "2024-01-31T23:59:59Z",
          none: null,
          big: 2n ** 62n
        },
        { station: "b", count: -1, mean: 2, ok: false, at: null, iso: "", late: "only here", big: 5n }
      ]
      const location = yield* written(made, "2024-01", rows)
      const found = yield* made.timestore.query([location], "readings", "SELECT * FROM readings ORDER BY count DESC")
      assert.deepStrictEqual(found, [
        {
          ...rows[0],
          big: String(2n ** 62n),
          late: null,
          partition_key: "2024-01"
        },
        { ...rows[1], big: 5, none: null, partition_key: "2024-01" }
      ])
    })
  )

  it.live("equal rows give equal bytes, so that a heal can tell that nothing changed", () =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const rows = Array.from({ length: 30_000 }, (_, index) => ({ index, text: `row ${index % 97}`, half: index / 2 }))
      const first = yield* written(made, "2024-01", rows)
      const second = yield* written(made, "2024-01", rows)
      assert.strictEqual(first.sha256, second.sha256)
      assert.strictEqual(first.bytes, second.bytes)
    })
  )

  it.live("the view holds exactly the given partitions, each row with its partition key", () =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const [january, february, march] = yield* threePartitions(made)
      const { timestore } = made
      const sum = (locations: ReadonlyArray<PartitionLocation>) => timestore.query(locations, "readings", sumAndCount)
      assert.deepStrictEqual(yield* sum([january!, march!]), [{ sum: 403, count: 3 }])
      assert.deepStrictEqual(yield* sum([january!, february!, march!, january!]), [{ sum: 433, count: 4 }])
      const keyed = yield* timestore.query(
        [january!, february!],
        "readings",
        "SELECT partition_key, sum(value) AS sum FROM readings GROUP BY ALL ORDER BY ALL"
      )
      assert.deepStrictEqual(keyed, [
        { partition_key: "2024-01", sum: 3 },
        { partition_key: "2024-02", sum: 30 }
      ])
    })
  )

  it.live("partitions of equal content keep their own keys", () =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const first = yield* written(made, "a", [{ value: 1 }])
      const copy = yield* made.store.copy(first.key, "timestore/readings/b.parquet")
      const second = { ...first, key: copy.key, etag: copy.etag, partitionKey: "b" }
      const found = yield* made.timestore.query([first, second], "readings", "SELECT * FROM readings ORDER BY ALL")
      assert.deepStrictEqual(found, [
        { value: 1, partition_key: "a" },
        { value: 1, partition_key: "b" }
      ])
    })
  )

  it.live("columns are the union: missing ones are null, an all-null column takes the others' type", () =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const locations = [
        yield* written(made, "1", [{ a: 1, b: null, c: null, at: null }]),
        yield* written(made, "2", [{ a: 1.5, b: "text", c: 7, d: true }]),
        yield* written(made, "3", [{ at: new Date(0), b: null }]),
        yield* written(made, "4", [])
      ]
      const found = yield* made.timestore.query(locations, "readings", "SELECT * FROM readings ORDER BY partition_key")
      assert.deepStrictEqual(found, [
        { a: 1, b: null, c: null, at: null, d: null, partition_key: "1" },
        { a: 1.5, b: "text", c: 7, at: null, d: true, partition_key: "2" },
        { a: null, b: null, c: null, at: new Date(0), d: null, partition_key: "3" }
      ])
      const empty = yield* made.timestore.query(locations.slice(3), "readings", "SELECT count(*) AS n FROM readings")
      assert.deepStrictEqual(empty, [{ n: 0 }])
    })
  )

  it.live("parameters stand for ? and $1; a data set's name may need quotes", () =>
    Effect.gen(function* () {
      const { timestore } = yield* fixture()
      const rows = [
        { n: 1, s: "it's", at: new Date(5) },
        { n: 2, s: "b", at: new Date(9) }
      ]
      const location = yield* timestore.writePartition("lake", "raw.day-1", "k", rows)
      const query = (sql: string, params: ReadonlyArray<unknown>) =>
        timestore.query([{ ...location, partitionKey: "k" }], "raw.day-1", sql, params)
      assert.strictEqual((yield* query('SELECT * FROM "raw.day-1" WHERE s = ? LIMIT ?', ["it's", 5])).length, 1)
      assert.deepStrictEqual(yield* query('SELECT n FROM "raw.day-1" WHERE "at" > $1', [new Date(5)]), [{ n: 2 }])
      assert.strictEqual(yield* outcome(query("SELECT ?", [1, 2])), "permanent unused_parameter")
      assert.strictEqual(yield* outcome(query("SELECT ?", [{}])), "permanent unsupported_value")
      assert.deepStrictEqual(yield* query("SELECT ? AS a, ? AS b, ? AS c", [null, true, 1.5]), [
        { a: null, b: true, c: 1.5 }
      ])
    })
  )

  it.live("whole numbers beyond a safe integer come as text, inside lists and structs too", () =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const location = yield* written(made, "k", [{ n: 1 }])
      const found = yield* made.timestore.query(
        [location],
        "readings",
        "SELECT 9007199254740993 AS big, [1, 9007199254740993] AS list, {'n': 1::BIGINT} AS struct FROM readings"
      )
      assert.deepStrictEqual(found, [{ big: "9007199254740993", list: [1, "9007199254740993"], struct: { n: 1 } }])
    })
  )
})

describe("a recorded partition that is not there", () => {
  it.live("is asset_missing with store and key, cached or not, never a smaller answer (F89)", () =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const locations = yield* threePartitions(made)
      const { store, timestore } = made
      assert.deepStrictEqual(yield* timestore.query(locations, "readings", sumAndCount), [{ sum: 433, count: 4 }])
      yield* store.delete(locations[1]!.key)
      const { failure } = yield* Effect.flip(timestore.query(locations, "readings", sumAndCount))
      assert.deepStrictEqual(
        [failure.class, failure.store, failure.key],
        ["asset_missing", "lake", "timestore/readings/2024-02.parquet"]
      )
    })
  )

  it.live("is store_unavailable while the store's root is away, cached or not (F3)", () =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const locations = yield* threePartitions(made)
      yield* made.timestore.query(locations, "readings", sumAndCount)
      yield* Effect.promise(() => rename(made.root, `${made.root}-away`))
      assert.strictEqual(
        yield* outcome(made.timestore.query(locations, "readings", sumAndCount)),
        "store_unavailable root_missing"
      )
    })
  )

  it.live("is corrupt when its bytes are not the recorded ones, whether it was cached or not (F7)", () =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const locations = yield* threePartitions(made)
      for (const cached of [false, true]) {
        if (cached) yield* made.timestore.query(locations.slice(0, 1), "readings", sumAndCount)
        const path = join(made.root, locations[0]!.key)
        const good = yield* Effect.promise(() => readFile(path))
        yield* Effect.promise(() => writeFile(path, good.subarray(0, good.length - 20)))
        const { failure } = yield* Effect.flip(made.timestore.query(locations, "readings", sumAndCount))
        assert.deepStrictEqual(
          [failure.class, failure.code, failure.key],
          ["corrupt", "checksum_mismatch", locations[0]!.key]
        )
        // The same bytes again, as a heal brings them back, under another etag.
        yield* Effect.promise(() => writeFile(path, good))
        assert.strictEqual((yield* made.timestore.query(locations, "readings", sumAndCount)).length, 1)
      }
    })
  )

  it.live("an empty list is a permanent failure of its own", () =>
    Effect.gen(function* () {
      const { timestore } = yield* fixture()
      assert.strictEqual(yield* outcome(timestore.query([], "readings", "SELECT 1")), "permanent no_partitions")
    })
  )
})

describe("what a query may do", () => {
  it.live("it reaches the given partitions and nothing else", () =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const [location] = yield* threePartitions(made)
      const target = join(made.root, "stolen.csv")
      const forbidden = [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        `SELECT * FROM read_parquet('${join(made.root, "timestore/readings/2024-02.parquet")}')`,
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_blob('../../../../../../etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        `COPY readings TO '${target}'`,
        `COPY (SELECT 1) TO '${target}' (USE_TMP_FILE false)`,
        `EXPORT DATABASE '${made.root}/export'`,
        `ATTACH '${made.root}/other.db'`,
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "PRAGMA enable_profiling",
        "CREATE TABLE t AS SELECT 1",
        "DROP VIEW readings",
        "INSERT INTO kintsugi_partitions VALUES ('x', 'y')",
        "CALL pragma_version()",
        "SELECT 1; COPY (SELECT 1) TO '/tmp/kintsugi-never.csv'",
        "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')",
        "",
        "-- nothing"
      ]
      for (const sql of forbidden) {
        const { failure } = yield* Effect.flip(made.timestore.query([location!], "readings", sql))
        assert.strictEqual(failure.class, "permanent", `${sql}: ${failure.message}`)
      }
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(made.root)), [".kintsugi", "timestore"])
    })
  )

  it.live("the engine's catalogue, settings and paths are out of its bounds (F84)", () =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const [location] = yield* threePartitions(made)
      const attacks = [
        "SELECT * FROM kintsugi_partitions",
        "SELECT * FROM main.kintsugi_partitions",
        "SELECT * FROM readings WHERE EXISTS (SELECT 1 FROM sqlite_master)",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM duckdb_secrets()",
        "SELECT * FROM duckdb_views()",
        "SELECT * FROM pragma_storage_info('kintsugi_partitions')",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM pg_catalog.pg_tables",
        "SELECT current_setting('allowed_directories')",
        "SELECT pg_get_viewdef(0)",
        "SELECT getvariable('x')",
        "SELECT getenv('PATH')",
        "SELECT write_log('x')",
        "SHOW TABLES",
        "EXPLAIN SELECT * FROM readings",
        "EXPLAIN ANALYZE INSERT INTO kintsugi_partitions VALUES ('x', 'y')",
        "FROM query('SELECT * FROM kintsugi_partitions')",
        "FROM query_table('kintsugi_partitions')",
        "WITH a AS (SELECT * FROM duckdb_logs) SELECT * FROM a",
        "SELECT * FROM (WITH sqlite_master AS (SELECT 1) SELECT * FROM sqlite_master), sqlite_master",
        "SELECT * FROM parquet_metadata('x.parquet')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "CREATE SECRET s (TYPE s3)",
        "EXECUTE x",
        "RESET memory_limit",
        "SET VARIABLE x = 1",
        "DETACH memory"
      ]
      for (const sql of attacks) {
        const { failure } = yield* Effect.flip(made.timestore.query([location!], "readings", sql))
        assert.strictEqual(failure.class, "permanent", `${sql}: ${failure.message}`)
        assert(!failure.message.includes(made.cacheDir), failure.message)
      }
    })
  )

  it.live("what a query of the data needs is within its bounds", () =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const locations = yield* threePartitions(made)
      const queries = [
        "SELECT * FROM READINGS",
        "SELECT r.value, sum(value) OVER (PARTITION BY partition_key) FROM main.readings r",
        "WITH a AS (SELECT * FROM readings), b AS (SELECT * FROM a) SELECT * FROM b JOIN a USING (value)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT * FROM n, readings",
        "SELECT * FROM readings, range(2), (VALUES (1)) v(a), unnest([1, 2]) u(b)",
        "SELECT pg_typeof(value), strftime(now(), '%Y'), list(value) FROM readings GROUP BY value",
        "SELECT * FROM (PIVOT readings ON partition_key IN ('2024-01') USING sum(value))",
        "DESCRIBE readings",
        "SUMMARIZE readings",
        "VALUES (1)",
        "FROM readings"
      ]
      for (const sql of queries) {
        const rows = yield* made.timestore
          .query(locations, "readings", sql)
          .pipe(Effect.mapError(({ failure }) => `${sql}: ${failure.message}`))
        assert(rows.length > 0, sql)
      }
    })
  )

  it.live("a query has a time limit, after which its statement is stopped", () =>
    Effect.gen(function* () {
      const made = yield* fixture({ queryMsMax: 300 })
      const [location] = yield* threePartitions(made)
      const endless = "SELECT count(*) FROM range(100000000000) a WHERE (a.range * 7) % 3 = 1"
      const asked = made.timestore.query([location!], "readings", endless)
      assert.strictEqual(yield* outcome(asked), "permanent query_too_long")
      // The engine is free again.
      assert.strictEqual((yield* made.timestore.query([location!], "readings", "FROM readings")).length, 2)
    })
  )

  it.live("a result is bounded, and says so instead of being cut", () =>
    Effect.gen(function* () {
      const made = yield* fixture({ rowsMax: 10 })
      const [location] = yield* threePartitions(made)
      const query = (rows: number) => made.timestore.query([location!], "readings", "SELECT * FROM range(?)", [rows])
      assert.strictEqual((yield* query(10)).length, 10)
      assert.strictEqual(yield* outcome(query(11)), "permanent result_too_large")
      assert.strictEqual(yield* outcome(query(5_000_000)), "permanent result_too_large")
    })
  )

  it.live("interruption stops the running statement and leaves no files", () =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const [location] = yield* threePartitions(made)
      const endless = "SELECT count(*) FROM range(100000000000) a WHERE (a.range * 7) % 3 = 1"
      const fiber = yield* Effect.forkChild(made.timestore.query([location!], "readings", endless))
      yield* Effect.sleep("300 millis")
      const [took] = yield* Effect.timed(Fiber.interrupt(fiber))
      assert(Duration.toMillis(took) < 5_000, `it took ${Duration.toMillis(took)} ms`)
      const left = yield* Effect.promise(() => readdir(made.cacheDir))
      assert.deepStrictEqual(left, [`${location!.sha256}.parquet`])
    })
  )

  it.live("many queries at once wait for an engine and are all answered", () =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const locations = yield* threePartitions(made)
      const all = Array.from({ length: 12 }, () => made.timestore.query(locations, "readings", sumAndCount))
      const found = yield* Effect.all(all, { concurrency: "unbounded" })
      for (const rows of found) assert.deepStrictEqual(rows, [{ sum: 433, count: 4 }])
    })
  )
})

describe("what cannot be written", () => {
  it.live("names row and column of a value without a column type", () =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const refused: ReadonlyArray<readonly [Readonly<Record<string, unknown>>, string]> = [
        [{ ok: 2, x: { nested: 1 } }, "unsupported_value"],
        [{ ok: 2, x: [1] }, "unsupported_value"],
        [{ ok: 2, x: 2n ** 64n }, "unsupported_value"],
        [{ ok: 2, x: new Date(Number.NaN) }, "unsupported_value"],
        [{ ok: "two", x: 1 }, "mixed_column_types"],
        [{ partition_key: "another" }, "reserved_column"]
      ]
      for (const [row, code] of refused) {
        const { failure } = yield* Effect.flip(written(made, "k", [{ ok: 1 }, row]))
        assert.deepStrictEqual([failure.class, failure.code], ["permanent", code])
        assert.include(failure.message, "row 1")
      }
      yield* written(made, "k", [{ ok: 1, partition_key: "k" }])
    })
  )

  it.live("refuses data sets and partition keys that make no object key, and stores that are not there", () =>
    Effect.gen(function* () {
      const { timestore } = yield* fixture()
      for (const [dataset, key] of [
        ["", "k"],
        ["a/b", "k"],
        ["..", "k"],
        ["a", "\ud800"],
        ["a", "日".repeat(200)]
      ] as const) {
        assert.strictEqual(
          yield* outcome(timestore.writePartition("lake", dataset, key, [])),
          "permanent invalid_partition"
        )
      }
      assert.strictEqual(yield* outcome(timestore.writePartition("none", "a", "k", [])), "permanent unknown_store")
    })
  )
})

describe("the local copies", () => {
  it.live("are bounded in bytes, least recently used first, and never part of the answer", () =>
    Effect.gen(function* () {
      const base = yield* temporary
      const first = yield* opened(base)
      const locations = yield* threePartitions(first)
      const room = locations[0]!.bytes + locations[1]!.bytes
      const made = yield* opened(yield* temporary, { cacheBytesMax: room })
      const again = yield* threePartitions(made)
      const cached = Effect.map(
        Effect.promise(() => readdir(made.cacheDir)),
        (names) => names.filter((name) => name.endsWith(".parquet")).sort()
      )
      const names = (...indices: ReadonlyArray<number>) =>
        indices.map((index) => `${again[index]!.sha256}.parquet`).sort()
      const use = (index: number) => made.timestore.query([again[index]!], "readings", sumAndCount)
      yield* use(0)
      yield* use(1)
      assert.deepStrictEqual(yield* cached, names(0, 1))
      yield* use(0)
      yield* use(2)
      assert.deepStrictEqual(yield* cached, names(0, 2))
      // More partitions than there is room for are answered all the same.
      assert.deepStrictEqual(yield* made.timestore.query(again, "readings", sumAndCount), [{ sum: 433, count: 4 }])
      assert.strictEqual((yield* cached).length, 2)
    })
  )

  it.live("of an earlier process are used if they are whole, and its work folders are removed", () =>
    Effect.gen(function* () {
      const base = yield* temporary
      const before = yield* opened(base)
      const locations = yield* threePartitions(before)
      yield* before.timestore.query(locations, "readings", sumAndCount)
      const half = join(before.cacheDir, `${locations[0]!.sha256}.parquet`)
      yield* Effect.promise(async () => {
        await writeFile(half, (await readFile(half)).subarray(0, 30))
        await mkdir(join(before.cacheDir, "work-7"))
      })
      const after = yield* opened(base)
      assert.deepStrictEqual(yield* after.timestore.query(locations, "readings", sumAndCount), [{ sum: 433, count: 4 }])
      const left = yield* Effect.promise(() => readdir(after.cacheDir))
      assert.deepStrictEqual(left.sort(), locations.map(({ sha256 }) => `${sha256}.parquet`).sort())
    })
  )

  it.live("may be cleared by anybody at any time", () =>
    Effect.gen(function* () {
      const made = yield* fixture()
      const locations = yield* threePartitions(made)
      yield* made.timestore.query(locations, "readings", sumAndCount)
      yield* Effect.promise(async () => {
        for (const name of await readdir(made.cacheDir)) await rm(join(made.cacheDir, name))
      })
      assert.deepStrictEqual(yield* made.timestore.query(locations, "readings", sumAndCount), [{ sum: 433, count: 4 }])
    })
  )
})

layer(Fauxqs.layer, { excludeTestServices: true })("the timestore over S3", (it) => {
  it.effect("queries what it wrote, and a deleted partition is asset_missing", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* Fauxqs
      const base = yield* temporary
      const timestoreOverS3 = Timestore.layer({ cacheDir: join(base, "cache") }).pipe(
        Layer.provideMerge(Stores.layer({ lake: { type: "s3", bucket: "lake", endpoint, createBucket: true } }, base))
      )
      yield* Effect.gen(function* () {
        const store = yield* (yield* Stores).get("lake")
        yield* store.ensureMarker
        const timestore = yield* Timestore
        const location = yield* timestore.writePartition("lake", "readings", "2024/01 é", [{ value: 7 }])
        const recorded = [{ ...location, partitionKey: "2024/01 é" }]
        for (let round = 0; round < 2; round++) {
          const found = yield* timestore.query(recorded, "readings", "SELECT * FROM readings")
          assert.deepStrictEqual(found, [{ value: 7, partition_key: "2024/01 é" }])
        }
        yield* store.delete(location.key)
        assert.strictEqual(yield* outcome(timestore.query(recorded, "readings", "SELECT 1")), "asset_missing not_found")
      }).pipe(Effect.provide(timestoreOverS3))
    })
  )
})
