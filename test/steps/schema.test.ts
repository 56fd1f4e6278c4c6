import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { defineJob } from "../../src/index.ts"
import { ended, layerMemory, start, temporaryFolder } from "../support/engine.ts"

const job = defineJob({
  slug: "make",
  run: (ctx) => ({ result: { assets: [{ assetId: "a", payload: { rows: ctx.parameters.rows ?? null } }] } })
})
const schema = { type: "object", properties: { rows: { type: "integer", minimum: 1 } }, required: ["rows"] }
const workflow = { steps: [{ id: "make", jobSlug: "make", produces: [{ assetId: "a", schema }] }] }

describe("the schema of a produced asset", () => {
  it.live("a payload that breaks it fails the step for good, with the path; nothing is produced", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const baseDir = yield* temporaryFolder
        const body = Effect.gen(function* () {
          const engine = yield* Engine
          yield* engine.define("w", workflow, "app")
          assert.strictEqual((yield* ended((yield* start("w", undefined, { rows: 3 })).id)).status, "succeeded")
          const broken = yield* ended((yield* start("w", undefined, { rows: "three" })).id)
          assert.strictEqual(broken.status, "failed")
          assert.strictEqual(broken.failure?.code, "schema_violation")
          assert.include(broken.failure?.message ?? "", "payload.rows")
          assert.deepStrictEqual(broken.steps[0]?.producedAssets, [])
          const refused = yield* Effect.flip(
            engine.define(
              "v",
              { steps: [{ id: "s", jobSlug: "make", produces: [{ assetId: "b", schema: { type: "text" } }] }] },
              "app"
            )
          )
          assert.strictEqual(refused._tag, "InvalidInput")
        })
        yield* Effect.provide(body, layerMemory({ jobs: [job], baseDir }))
      })
    )
  )
})
