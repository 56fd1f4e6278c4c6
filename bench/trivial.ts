import { Effect } from "effect"
import { Engine } from "../src/actors/Engine.ts"
import { defineJob } from "../src/index.ts"

/** A job that does nothing: what is measured is what the engine does around it. */
export const trivial = defineJob({ slug: "trivial", run: () => ({ result: { ok: true } }) })

const workflow = {
  steps: [
    { id: "a", jobSlug: "trivial" },
    { id: "b", jobSlug: "trivial", dependsOn: ["a"] },
    { id: "c", jobSlug: "trivial", dependsOn: ["b"] }
  ]
}

/** Three durable steps, one after the other. */
export const defineTrivial = Effect.gen(function* () {
  const engine = yield* Engine
  yield* engine.define("bench", workflow, "app")
})
