import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import * as AppModule from "../../src/cli/AppModule.ts"
import { ended, layerMemory, start, temporaryFolder } from "../support/engine.ts"

const root = join(import.meta.dirname, "..", "..")
const example = join(root, "examples", "orders", "app.ts")

describe("the README's example", () => {
  it("is the file under examples, to the letter", () => {
    const block = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, "README.md"), "utf8"))?.[1]
    assert.strictEqual(block, readFileSync(example, "utf8"))
  })

  it.live("loads and runs", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const { app } = yield* AppModule.load(example)
        mkdirSync(join(folder, "inbox"))
        writeFileSync(join(folder, "inbox", "orders_2026-01-01.csv"), "id\n1")
        const run = Effect.gen(function* () {
          const engine = yield* Engine
          for (const { slug, source } of app.workflows) yield* engine.define(slug, source, "app")
          return yield* ended((yield* start("orders", "2026-01-01")).id)
        })
        const layer = layerMemory({ jobs: [...app.jobs.values()], stores: app.stores, baseDir: folder })
        assert.strictEqual((yield* Effect.provide(run, layer)).status, "succeeded")
        assert.strictEqual(readFileSync(join(folder, "warehouse/orders/2026-01-01.json"), "utf8"), '["id","1"]')
      })
    )
  )
})
