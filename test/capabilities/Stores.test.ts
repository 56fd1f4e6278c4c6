import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { decodeStoreConfigs as decode, onWiped } from "../../src/capabilities/StoreConfig.ts"
import { Stores } from "../../src/capabilities/Stores.ts"

const fault = (input: unknown) => Effect.map(Effect.flip(decode(input)), (error) => String(error))

describe("an app's stores", () => {
  it.effect("folders and buckets are configured as the contract says", () =>
    Effect.gen(function* () {
      const configs = yield* decode({
        inbox: { type: "folder", path: "inbox", onWiped: "wait" },
        warehouse: { type: "s3", bucket: "warehouse", endpoint: "http://127.0.0.1:9000", drainPerSecond: 50 }
      })
      assert.deepStrictEqual(Object.keys(configs), ["inbox", "warehouse"])
      assert.deepStrictEqual(Object.values(configs).map(onWiped), ["wait", "heal"])
    })
  )

  it.effect("unknown fields, types and wrong values are refused by their path (F87)", () =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<readonly [unknown, string]> = [
        [{ inbox: { type: "folder", path: "x", onwiped: "heal" } }, `["inbox"]["onwiped"]`],
        [{ inbox: { type: "folder", path: "x", bucket: "b" } }, `["inbox"]["bucket"]`],
        [{ inbox: { type: "folder", path: "" } }, `["inbox"]["path"]`],
        [{ inbox: { type: "folder", path: "x", onWiped: "maybe" } }, `["inbox"]["onWiped"]`],
        [{ w: { type: "s3", bucket: "b", secretAccessKey: "x" } }, `["w"]["secretAccessKey"]`],
        [{ w: { type: "s3", bucket: "b", concurrency: 0 } }, `["w"]["concurrency"]`],
        [{ w: { type: "s3", bucket: "b", endpoint: "127.0.0.1:9000" } }, `["w"]["endpoint"]`],
        [{ w: { type: "s3" } }, `["w"]["bucket"]`],
        [{ w: { type: "ftp" } }, `["w"]`]
      ]
      for (const [input, path] of wrong) assert.include(yield* fault(input), path)
      yield* Effect.flip(decode({ "../inbox": { type: "folder", path: "x" } }))
    })
  )

  it.live("a folder's path is relative to the app, and an unknown name says which there are", () =>
    Effect.gen(function* () {
      const base = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "kintsugi-stores-"))),
        (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
      )
      yield* Effect.gen(function* () {
        const stores = yield* Stores
        assert.deepStrictEqual(stores.names, ["inbox", "other"])
        const inbox = yield* stores.get("inbox")
        yield* inbox.ensureMarker
        yield* inbox.write("x", new TextEncoder().encode("1"))
        assert.strictEqual(yield* Effect.promise(() => readFile(join(base, "data/inbox/x"), "utf8")), "1")
        assert.strictEqual((yield* stores.config("inbox")).type, "folder")
        const unknown = yield* Effect.flip(stores.get("outbox"))
        assert.strictEqual(unknown.message, 'no store is named "outbox"; there are: inbox, other')
        yield* Effect.flip(stores.config("toString"))
      }).pipe(
        Effect.provide(
          Stores.layer({ inbox: { type: "folder", path: "data/inbox" }, other: { type: "folder", path: "/x" } }, base)
        )
      )
    })
  )

  it("neither the AWS SDK nor DuckDB is loaded before a store is used", () => {
    const module = (name: string) => fileURLToPath(new URL(`../../src/capabilities/${name}.ts`, import.meta.url))
    const script = `
      import { Effect, Layer } from ${JSON.stringify(import.meta.resolve("effect"))}
      import { registerHooks } from "node:module"
      const loaded = []
      registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
      const { Stores } = await import(${JSON.stringify(module("Stores"))})
      const { Timestore } = await import(${JSON.stringify(module("Timestore"))})
      const layer = Timestore.layer({ cacheDir: "/nonexistent" }).pipe(
        Layer.provideMerge(Stores.layer({ w: { type: "s3", bucket: "b" } }, "/")))
      await Effect.runPromise(Effect.provide(Effect.flatMap(Stores, (stores) => stores.get("w")), layer))
      console.log(loaded.filter((url) => /@aws-sdk|@smithy|@duckdb/.test(url)).length, loaded.length > 5)`
    const printed = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" })
    assert.strictEqual(printed.trim(), "0 true")
  })
})
