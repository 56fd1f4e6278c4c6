import { setTimeout as sleep } from "node:timers/promises"
import { defineApp, defineJob } from "../src/index.ts"
import { definition, napSlug, slugOf, workflows } from "./millionDefinitions.ts"

const trivial = defineJob({ slug: "trivial", run: () => ({ result: { ok: true } }) })

/** Goes on until it is cancelled: for runs that are there while others are counted. */
const nap = defineJob({
  slug: "nap",
  run: async (ctx) => {
    await sleep(3_600_000, undefined, { signal: ctx.signal })
    return { result: { ok: true } }
  }
})

export default defineApp({
  jobs: [trivial, { ...trivial, slug: "moody" }, nap],
  workflows: [
    ...Array.from({ length: workflows }, (_, index) => ({ slug: slugOf(index), ...definition })),
    { slug: napSlug, steps: [{ id: "nap", jobSlug: "nap", timeoutMs: 3_600_000 }] }
  ]
})
