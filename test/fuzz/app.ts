import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { defineApp, defineJob } from "../../src/index.ts"

// What the fuzzed server runs: assets that are made and used, a step that fails, one that takes its time.

const folder = process.env.FUZZ_FOLDER ?? "."

const quick = defineJob({ slug: "quick", run: (ctx) => ({ result: { parameters: ctx.parameters } }) })
const fails = defineJob({
  slug: "fails",
  run: () => {
    throw new Error("as it was told to")
  }
})
const slow = defineJob({
  slug: "slow",
  run: async (ctx) => {
    await sleep(3_000, undefined, { signal: ctx.signal })
    return { result: {} }
  }
})
const make = defineJob({
  slug: "make",
  run: async (ctx) => {
    const location = await ctx.files.writeText("lake", `raw/${ctx.partitionKey}.txt`, `raw ${ctx.partitionKey}`)
    return { result: { assets: [{ assetId: "raw", payload: { rows: 1 }, locations: [location] }] } }
  }
})
const use = defineJob({
  slug: "use",
  run: async (ctx) => {
    const part = ctx.inputs.raw?.locations[0]
    const text = part === undefined ? "" : await ctx.files.readText(part.store, part.key)
    const location = await ctx.files.writeText("lake", `table/${ctx.partitionKey}.txt`, `table of ${text}`)
    return { result: { assets: [{ assetId: "table", locations: [location] }] } }
  }
})

const retryPolicy = { maxAttempts: 2, strategy: "fixed", initialDelayMs: 20, jitter: "none" } as const
const partitioning = { type: "static", keys: ["a", "b", "c"] } as const

export default defineApp({
  stores: { lake: { type: "folder", path: join(folder, "lake") } },
  jobs: [quick, fails, slow, make, use],
  workflows: [
    {
      slug: "made",
      steps: [{ id: "make", jobSlug: "make", retryPolicy, produces: [{ assetId: "raw", partitioning }] }]
    },
    {
      slug: "used",
      steps: [
        {
          ...{ id: "use", jobSlug: "use", retryPolicy },
          consumes: [{ assetId: "raw" }],
          produces: [{ assetId: "table", partitioning, autoMaterialize: { onUpstreamUpdate: true } }]
        },
        { id: "quick", jobSlug: "quick", dependsOn: ["use"], optional: true }
      ]
    },
    { slug: "failing", steps: [{ id: "fails", jobSlug: "fails", retryPolicy, optional: true }] },
    { slug: "slowly", concurrency: 2, steps: [{ id: "slow", jobSlug: "slow", retryPolicy }] }
  ]
})
