import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { defineJob } from "../../src/index.ts"
import { layerMemory, temporaryFolder } from "../support/engine.ts"

describe("a definition with faults of every kind", () => {
  it.live("F87: unknown fields do not hide what is wrong with the whole: every fault is listed with its path", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const baseDir = yield* temporaryFolder
        const refused = Effect.gen(function* () {
          const engine = yield* Engine
          const steps = [{ id: "a", jobSlug: "nope", foo: 1, dependsOn: ["z"] }]
          return yield* Effect.flip(engine.define("w", { steps, bar: true }, "http"))
        })
        const jobs = [defineJob({ slug: "ok", run: () => {} })]
        const error = yield* Effect.provide(refused, layerMemory({ jobs, baseDir }))
        assert(error._tag === "InvalidInput")
        assert.deepStrictEqual(error.problems.map(({ path }) => path).sort(), [
          "bar",
          "steps[0].dependsOn[0]",
          "steps[0].foo",
          "steps[0].jobSlug"
        ])
      })
    )
  )
})
