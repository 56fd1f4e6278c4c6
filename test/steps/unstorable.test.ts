import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { defineJob, PermanentFailure } from "../../src/index.ts"
import { ended, layerMemory, start, temporaryFolder } from "../support/engine.ts"

let calls = 0
const jobs = [
  defineJob({
    slug: "nul-result",
    run: () => {
      calls++
      return { result: { text: "a\0b" } }
    }
  }),
  defineJob({
    slug: "nul-message",
    run: () => {
      throw new PermanentFailure("a\0b \ud800")
    }
  })
]

describe("what the log cannot keep", () => {
  it.live("a result with a NUL character fails its step once, and a message with one is shown without it", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const baseDir = yield* temporaryFolder
        const body = Effect.gen(function* () {
          const engine = yield* Engine
          for (const { slug } of jobs) yield* engine.define(slug, { steps: [{ id: "s", jobSlug: slug }] }, "app")
          const result = yield* ended((yield* start("nul-result")).id)
          assert.deepStrictEqual([result.status, result.failure?.code, calls], ["failed", "invalid_result", 1])
          const message = yield* ended((yield* start("nul-message")).id)
          assert.strictEqual(message.failure?.message, "a\\0b \ufffd")
        })
        yield* Effect.provide(body, layerMemory({ jobs, baseDir }))
      })
    )
  )
})
