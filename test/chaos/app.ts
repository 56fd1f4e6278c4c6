import { appendFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { defineApp, defineJob, TransientFailure } from "../../src/index.ts"

// The workload of the chaos harness: chains of assets in folders, parallel steps, a limit, retries. Every execution
// leaves a line in a ledger outside the stores, so that what was really done can be compared with what the log says.

const folder = process.env.CHAOS_FOLDER ?? "."
const ledger = join(folder, "ledger.txt")
/** Longest pause of a step, ms. */
const pauseMsMax = Number(process.env.CHAOS_STEP_MS ?? "60")

interface Known {
  readonly runId: string
  readonly stepId: string
  readonly attempt: number
}

const note = (what: "begun" | "done", { attempt, runId, stepId }: Known) =>
  appendFileSync(ledger, `${what} ${runId} ${stepId} ${attempt}\n`)

/** A number below `bound` that is the same for the same text, so that a seed gives the same workload. */
const below = (text: string, bound: number): number => {
  let hash = 2166136261
  for (const character of text) hash = Math.imul(hash ^ character.charCodeAt(0), 16777619)
  return (hash >>> 0) % bound
}

const pause = ({ attempt, runId, stepId }: Known, signal: AbortSignal) =>
  sleep(below(`${runId}/${stepId}/${attempt}`, pauseMsMax), undefined, { signal })

const acquire = defineJob({
  slug: "acquire",
  run: async (ctx) => {
    note("begun", ctx)
    await pause(ctx, ctx.signal)
    const location = await ctx.files.writeText(
      "inbox",
      `raw/${ctx.partitionKey}.csv`,
      `id,value\n1,${ctx.partitionKey}\n`
    )
    note("done", ctx)
    return { result: { assets: [{ assetId: "raw", locations: [location] }] } }
  }
})

const derive = (slug: string, from: string, to: string) =>
  defineJob({
    slug,
    run: async (ctx) => {
      note("begun", ctx)
      const part = ctx.inputs[from]!.locations[0]!
      const text = await ctx.files.readText(part.store, part.key)
      await pause(ctx, ctx.signal)
      const location = await ctx.files.writeText("lake", `${to}/${ctx.partitionKey}.txt`, `${to} of ${text}`)
      note("done", ctx)
      return { result: { bytes: text.length, assets: [{ assetId: to, locations: [location] }] } }
    }
  })

const work = defineJob({
  slug: "work",
  run: async (ctx) => {
    note("begun", ctx)
    await pause(ctx, ctx.signal)
    note("done", ctx)
    return { result: { attempt: ctx.attempt } }
  }
})

const flaky = defineJob({
  slug: "flaky",
  run: async (ctx) => {
    note("begun", ctx)
    await pause(ctx, ctx.signal)
    if (below(`${ctx.runId}/${ctx.attempt}`, 3) === 0) throw new TransientFailure({ message: "the weather is bad" })
    note("done", ctx)
    return { result: { attempt: ctx.attempt } }
  }
})

const retryPolicy = { maxAttempts: 6, strategy: "fixed", initialDelayMs: 50, jitter: "none" } as const
const step = (id: string, jobSlug: string, after: ReadonlyArray<string> = []) => ({
  id,
  jobSlug,
  dependsOn: [...after],
  retryPolicy
})
const deriving = (id: string, from: string, to: string, after: ReadonlyArray<string> = []) => ({
  ...step(id, id, after),
  consumes: [{ assetId: from }],
  produces: [{ assetId: to }]
})

export default defineApp({
  stores: {
    inbox: { type: "folder", path: join(folder, "inbox") },
    lake: { type: "folder", path: join(folder, "lake") }
  },
  jobs: [
    acquire,
    derive("clean", "raw", "cleaned"),
    derive("load", "cleaned", "table"),
    derive("plot", "table", "figure"),
    work,
    flaky
  ],
  workflows: [
    {
      slug: "acquisition",
      steps: [
        step("prepare", "work"),
        { ...step("acquire", "acquire", ["prepare"]), produces: [{ assetId: "raw" }] },
        step("announce", "work", ["acquire"])
      ]
    },
    {
      slug: "ingest",
      steps: [
        deriving("clean", "raw", "cleaned"),
        deriving("load", "cleaned", "table", ["clean"]),
        step("announce", "work", ["load"])
      ]
    },
    {
      slug: "publish",
      steps: [
        step("prepare", "flaky"),
        deriving("plot", "table", "figure", ["prepare"]),
        step("announce", "work", ["plot"])
      ]
    },
    {
      slug: "diamond",
      concurrency: 4,
      steps: [
        step("first", "work"),
        step("left", "flaky", ["first"]),
        step("right", "work", ["first"]),
        step("both", "work", ["left", "right"]),
        step("last", "flaky", ["both"])
      ]
    }
  ]
})
