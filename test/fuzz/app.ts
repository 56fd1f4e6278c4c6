import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { defineApp, defineJob } from "../../src/index.ts"

// What the fuzzed server runs: assets that are made and used, a step that fails, one that takes its time.

const folder = process.env.FUZZ_FOLDER ?? "."
/** Where the fuzzer listens for webhooks. */
const receiver = process.env.FUZZ_RECEIVER ?? "http://127.0.0.1:9"

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

/** Long enough that what waits for it can be looked at and steered. */
const crawl = defineJob({
  slug: "crawl",
  run: async (ctx) => {
    await sleep(700, undefined, { signal: ctx.signal })
    const location = await ctx.files.writeText("lake", `pages/${ctx.partitionKey}.txt`, `pages ${ctx.partitionKey}`)
    return { result: { assets: [{ assetId: "pages", payload: { note: "to be redacted" }, locations: [location] }] } }
  }
})
const read = defineJob({
  slug: "read",
  run: async (ctx) => {
    const part = ctx.inputs.pages?.locations[0]
    return { result: { read: part === undefined ? "" : await ctx.files.readText(part.store, part.key) } }
  }
})
let moods = 0
/** Every other time it fails, also while its asset is brought back. */
const mood = defineJob({
  slug: "mood",
  run: async (ctx) => {
    if (moods++ % 2 === 1) throw new Error("in no mood")
    const location = await ctx.files.writeText("lake", "mood.txt", "good")
    return { result: { assets: [{ assetId: "mood", locations: [location] }] } }
  }
})
const ask = defineJob({
  slug: "ask",
  run: async (ctx) => {
    for (const input of Object.values(ctx.inputs)) {
      for (const { key, store } of input?.locations ?? []) await ctx.files.readText(store, key)
    }
    return { result: {} }
  }
})
/** What another system would do: its file is there again, and whether that is announced is up to the fuzzer. */
const feed = defineJob({
  slug: "feed",
  run: async (ctx) => {
    await ctx.files.writeText("lake", "fed.txt", "fed")
    return { result: {} }
  }
})

const patience = { maxAttempts: 1, attemptTimeoutMs: 2_000 }
const retryPolicy = { maxAttempts: 2, strategy: "fixed", initialDelayMs: 20, jitter: "none" } as const
const partitioning = { type: "static", keys: ["a", "b", "c"] } as const

export default defineApp({
  stores: { lake: { type: "folder", path: join(folder, "lake") } },
  jobs: [quick, fails, slow, make, use, crawl, read, mood, ask, feed],
  http: { allow: [new URL(receiver).host] },
  // One hears everything, the other refuses what is said of the crawl, which makes dead letters.
  notifications: {
    channels: {
      ops: { type: "webhook", url: `${receiver}/notify`, secret: { env: "FUZZ_WEBHOOK_SECRET" }, perMinute: 600 },
      picky: { type: "webhook", url: `${receiver}/refuse`, secret: { env: "FUZZ_WEBHOOK_SECRET" }, perMinute: 600 }
    }
  },
  // What other systems make: one is asked for with a workflow, one with a webhook.
  sources: [
    { assetId: "fed", recheck: { workflow: "feed" }, recovery: patience },
    {
      assetId: "called",
      recheck: { webhook: `${receiver}/recheck` },
      recovery: patience
    }
  ],
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
    {
      slug: "crawl",
      steps: [{ id: "crawl", jobSlug: "crawl", retryPolicy, produces: [{ assetId: "pages", partitioning }] }]
    },
    { slug: "reading", steps: [{ id: "read", jobSlug: "read", retryPolicy, consumes: [{ assetId: "pages" }] }] },
    {
      slug: "moody",
      steps: [
        {
          ...{ id: "mood", jobSlug: "mood", retryPolicy: { strategy: "none" } },
          produces: [{ assetId: "mood", recovery: { maxAttempts: 1 } }]
        }
      ]
    },
    { slug: "feed", steps: [{ id: "feed", jobSlug: "feed", retryPolicy }] },
    {
      slug: "asking",
      steps: ["mood", "fed", "called"].map((assetId) => ({
        ...{ id: `ask-${assetId}`, jobSlug: "ask", retryPolicy, optional: true },
        consumes: [{ assetId }]
      }))
    },
    { slug: "failing", steps: [{ id: "fails", jobSlug: "fails", retryPolicy, optional: true }] },
    { slug: "slowly", concurrency: 2, steps: [{ id: "slow", jobSlug: "slow", retryPolicy }] }
  ]
})
