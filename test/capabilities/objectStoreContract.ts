import { assert, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { createHash } from "node:crypto"
import { keyBytesMax, markerKey } from "../../src/capabilities/ObjectKey.ts"
import { listLimitMax, type ObjectStore, type StoreError } from "../../src/capabilities/ObjectStore.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (content: Uint8Array) => new TextDecoder().decode(content)
const sha256 = (content: string) => createHash("sha256").update(content).digest("hex")

/** Keys that are names like any other: nothing is decoded, and dots and blanks mean nothing. */
const oddKeys = [
  "..%2f..%2fescape.csv",
  "%2e%2e/%2e%2e/escape.csv",
  "a%00b.csv",
  "%5c..%5cescape.csv",
  "...",
  "a/.../b",
  ". ./b",
  "-rf",
  "plus+and space&amp=1?x#y.csv",
  "grüße/日本語/😀.csv",
  "%",
  'it\'s "quoted" <xml>.csv'
]

/** Keys that are refused, by every driver and every operation. */
const badKeys = [
  "",
  "/etc/passwd",
  "//x",
  "..",
  "../x",
  "a/..",
  "a/../b",
  "a/../../b",
  "a/../../../../etc/passwd",
  ".",
  "./a",
  "a/./b",
  "a//b",
  "a/",
  "a\u0000b",
  "a\u0000/../../b",
  "a\nb",
  "..\\..\\x",
  "C:\\x",
  "a\\b",
  "broken\ud800surrogate",
  "x".repeat(keyBytesMax + 1),
  "ü".repeat(keyBytesMax / 2 + 1)
]

/** What every object store does; `make` gives one whose root is there and empty but for the marker. */
export const objectStoreContract = <R>(make: Effect.Effect<ObjectStore, never, R | Scope.Scope>) => ({
  "writes, reads and tells the location of what was written": Effect.gen(function* () {
    const store = yield* make
    const location = yield* store.write("raw/2024-01.csv", bytes("a,b\n1,2\n"))
    assert.deepStrictEqual(
      { ...location, etag: "" },
      { store: store.name, key: "raw/2024-01.csv", bytes: 8, etag: "", sha256: sha256("a,b\n1,2\n") }
    )
    assert.strictEqual(text(yield* store.readBytes("raw/2024-01.csv")), "a,b\n1,2\n")
    const info = yield* store.stat("raw/2024-01.csv")
    assert.strictEqual(info.etag, location.etag)
    assert.strictEqual(info.bytes, 8)
    if (info.sha256 !== undefined) assert.strictEqual(info.sha256, location.sha256)
  }),

  "an empty object is an object": Effect.gen(function* () {
    const store = yield* make
    yield* store.write("empty", new Uint8Array(0))
    assert.strictEqual((yield* store.readBytes("empty")).byteLength, 0)
    assert.strictEqual((yield* store.stat("empty")).bytes, 0)
  }),

  "replacing an object changes its etag": Effect.gen(function* () {
    const store = yield* make
    const first = yield* store.write("x", bytes("one"))
    const second = yield* store.write("x", bytes("two"))
    assert.notStrictEqual(first.etag, second.etag)
    assert.strictEqual(text(yield* store.readBytes("x")), "two")
  }),

  "an absent object is asset_missing and names store and key (F1, F2)": Effect.gen(function* () {
    const store = yield* make
    const attempts: ReadonlyArray<Effect.Effect<unknown, StoreError>> = [
      store.readBytes("no/such.csv"),
      store.stat("no/such.csv"),
      store.copy("no/such.csv", "y")
    ]
    for (const attempt of attempts) {
      const { failure } = yield* Effect.flip(attempt)
      assert.strictEqual(failure.class, "asset_missing")
      assert.strictEqual(failure.code, "not_found")
      assert.strictEqual(failure.store, store.name)
      assert.strictEqual(failure.key, "no/such.csv")
      assert.strictEqual(failure.capability, store.type)
    }
  }),

  "deletes, and deleting again changes nothing": Effect.gen(function* () {
    const store = yield* make
    yield* store.write("d/x", bytes("1"))
    yield* store.delete("d/x")
    yield* store.delete("d/x")
    yield* store.delete("never/was")
    assert.strictEqual((yield* Effect.flip(store.readBytes("d/x"))).failure.class, "asset_missing")
  }),

  "lists by prefix, in the order of the keys, up to the limit": Effect.gen(function* () {
    const store = yield* make
    for (const key of ["b", "a/2", "a/10", "a-1", "a0", "a/x/y", "é"]) yield* store.write(key, bytes(key))
    const keys = (prefix: string, limit: number) =>
      Effect.map(store.list(prefix, limit), (found) => found.map(({ key }) => key))
    assert.deepStrictEqual(yield* keys("", 100), ["a-1", "a/10", "a/2", "a/x/y", "a0", "b", "é"])
    assert.deepStrictEqual(yield* keys("a/", 100), ["a/10", "a/2", "a/x/y"])
    assert.deepStrictEqual(yield* keys("a/x", 100), ["a/x/y"])
    assert.deepStrictEqual(yield* keys("a/1", 100), ["a/10"])
    assert.deepStrictEqual(yield* keys("", 3), ["a-1", "a/10", "a/2"])
    assert.deepStrictEqual(yield* keys("none/", 100), [])
    const [first] = yield* store.list("b", 1)
    assert.strictEqual(first?.bytes, 1)
    assert.strictEqual(first?.etag, (yield* store.stat("b")).etag)
  }),

  "a listing's limit and prefix are checked": Effect.gen(function* () {
    const store = yield* make
    for (const limit of [0, -1, 1.5, Number.NaN, listLimitMax + 1]) {
      assert.strictEqual((yield* Effect.flip(store.list("", limit))).failure.code, "invalid_limit")
    }
    for (const prefix of ["../", "/etc/", "a/../..", "a\u0000", "..\\"]) {
      assert.strictEqual((yield* Effect.flip(store.list(prefix, 1))).failure.code, "invalid_key", prefix)
    }
  }),

  "moves bytes aside by a copy and a delete, out of the users' sight": Effect.gen(function* () {
    const store = yield* make
    const written = yield* store.write("p/x.parquet", bytes("broken"))
    const copied = yield* store.copy("p/x.parquet", ".quarantine/p/x.parquet")
    yield* store.delete("p/x.parquet")
    assert.strictEqual(copied.key, ".quarantine/p/x.parquet")
    assert.strictEqual(copied.bytes, written.bytes)
    assert.strictEqual(copied.sha256, written.sha256)
    assert.deepStrictEqual(yield* store.list("", 10), [])
    assert.deepStrictEqual(yield* store.list(".quarantine/", 10), [])
    assert.strictEqual(text(yield* store.readBytes(".quarantine/p/x.parquet")), "broken")
    yield* store.copy(".quarantine/p/x.parquet", "p/back")
    assert.strictEqual(text(yield* store.readBytes("p/back")), "broken")
  }),

  "refuses users' writes to reserved keys, however they are cased": Effect.gen(function* () {
    const store = yield* make
    const reserved = [markerKey, ".kintsugi", ".KINTSUGI/store", ".kintsugi/tmp/x", ".quarantine", ".Quarantine/x"]
    for (const key of reserved) {
      const refused = yield* Effect.flip(store.write(key, bytes("x")))
      assert.deepStrictEqual([refused.failure.class, refused.failure.code], ["permanent", "reserved_key"], key)
      assert.strictEqual((yield* Effect.flip(store.delete(key))).failure.code, "reserved_key")
    }
    yield* store.write("x", bytes("x"))
    assert.strictEqual((yield* Effect.flip(store.copy("x", markerKey))).failure.code, "reserved_key")
    yield* store.write(".quarantined/x", bytes("a name of its own"))
  }),

  "refuses keys that lead elsewhere: .. segments, absolute paths, NUL, backslashes": Effect.gen(function* () {
    const store = yield* make
    yield* store.write("x", bytes("x"))
    for (const key of badKeys) {
      const attempts: ReadonlyArray<Effect.Effect<unknown, StoreError>> = [
        store.readBytes(key),
        store.write(key, bytes("escaped")),
        store.stat(key),
        store.delete(key),
        store.copy(key, "y"),
        store.copy("x", key)
      ]
      for (const attempt of attempts) {
        const { failure } = yield* Effect.flip(attempt)
        assert.deepStrictEqual([failure.class, failure.code], ["permanent", "invalid_key"], JSON.stringify(key))
      }
    }
    assert.deepStrictEqual(
      (yield* store.list("", 10)).map(({ key }) => key),
      ["x"]
    )
  }),

  "takes encoded and odd names literally": Effect.gen(function* () {
    const store = yield* make
    for (const key of oddKeys) {
      yield* store.write(key, bytes(key))
      assert.strictEqual(text(yield* store.readBytes(key)), key)
      yield* store.copy(key, `copy/${key}`)
      assert.strictEqual(text(yield* store.readBytes(`copy/${key}`)), key)
    }
    const listed = (yield* store.list("", 100)).map(({ key }) => key).filter((key) => !key.startsWith("copy/"))
    assert.deepStrictEqual(new Set(listed), new Set(oddKeys))
  }),

  "of concurrent writers one wins whole": Effect.gen(function* () {
    const store = yield* make
    const contents = Array.from({ length: 8 }, (_, index) => String(index).repeat(200_000))
    yield* Effect.forEach(contents, (content) => store.write("race", bytes(content)), { concurrency: 8 })
    assert.include(contents, text(yield* store.readBytes("race")))
  }),

  "is ready while its marker is there, and the marker is written once": Effect.gen(function* () {
    const store = yield* make
    assert.deepStrictEqual(yield* store.probe, { status: "ready" })
    const before = yield* store.stat(markerKey)
    yield* store.ensureMarker
    assert.deepStrictEqual(yield* store.stat(markerKey), before)
    assert.deepStrictEqual(yield* store.list("", 10), [])
  })
})

/** Registers the suite; `run` is how an effect becomes a test, for drivers that share a server. */
export const registerContract = <R>(
  suite: Record<string, Effect.Effect<void, unknown, R>>,
  run: (name: string, test: () => Effect.Effect<void, unknown, R>) => void
): void => {
  for (const [name, test] of Object.entries(suite)) run(name, () => test)
}

/** A test on the real clock, without services. */
export const live = (name: string, test: () => Effect.Effect<void, unknown, Scope.Scope>): void =>
  it.live(name, () => test())
