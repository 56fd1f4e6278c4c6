import { defineJob } from "../../src/index.ts"

/** Counts executions of each job by partition: `job[partition]`. */
export const makeChain = () => {
  const calls: Array<string> = []
  const count = (name: string) => calls.filter((call) => call === name).length

  const acquire = defineJob({
    slug: "acquire",
    run: async (ctx) => {
      calls.push(`acquire[${ctx.partitionKey}]`)
      const location = await ctx.files.writeText(
        "inbox",
        `raw_${ctx.partitionKey}.csv`,
        `id,value\n1,${ctx.partitionKey}\n`
      )
      return { result: { assets: [{ assetId: "raw", payload: { rows: 1 }, locations: [location] }] } }
    }
  })
  const derive = (slug: string, from: string, to: string) =>
    defineJob({
      slug,
      run: async (ctx) => {
        calls.push(`${slug}[${ctx.partitionKey}]`)
        const part = ctx.inputs[from]!.locations[0]!
        const text = await ctx.files.readText(part.store, part.key)
        const location = await ctx.files.writeText("lake", `${to}/${ctx.partitionKey}.txt`, `${to} of ${text}`)
        return { result: { bytes: text.length, assets: [{ assetId: to, locations: [location] }] } }
      }
    })
  const jobs = [
    acquire,
    derive("clean", "raw", "cleaned"),
    derive("load", "cleaned", "table"),
    derive("plot", "table", "figure")
  ]
  const step = (id: string, jobSlug: string, consumes: ReadonlyArray<string>, produces: string) => ({
    id,
    jobSlug,
    retryPolicy: { maxAttempts: 3, strategy: "fixed", initialDelayMs: 10, jitter: "none" },
    consumes: consumes.map((assetId) => ({ assetId })),
    produces: [{ assetId: produces }]
  })
  const workflows = {
    acquisition: { steps: [step("acquire", "acquire", [], "raw")] },
    ingest: {
      steps: [
        step("clean", "clean", ["raw"], "cleaned"),
        { ...step("load", "load", ["cleaned"], "table"), dependsOn: ["clean"] }
      ]
    },
    publish: { steps: [step("plot", "plot", ["table"], "figure")] }
  }
  return { calls, count, jobs, workflows }
}
