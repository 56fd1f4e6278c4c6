import { defineJob, type JobContext } from "../../src/index.ts"

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

/** One step that runs the job of its own name, with a retry policy that costs no time. */
export const stepFor = (
  job: string,
  links: {
    readonly consumes?: ReadonlyArray<string>
    readonly produces?: ReadonlyArray<string>
    readonly retryPolicy?: object
  } = {}
) => {
  const { consumes = [], produces = [], ...rest } = links
  return {
    id: job,
    jobSlug: job,
    retryPolicy: { maxAttempts: 3, strategy: "fixed", initialDelayMs: 10, jitter: "none" },
    consumes: consumes.map((assetId) => ({ assetId })),
    produces: produces.map((assetId) => ({ assetId })),
    ...rest
  }
}

/** The object that `makes` writes for an asset. */
export const keyOf = (assetId: string, partitionKey?: string) =>
  `${assetId}${partitionKey === undefined ? "" : `-${partitionKey}`}.txt`

/** A job that writes one object of the store `lake` and declares it; `text` says what it writes. */
export const makes = (
  assetId: string,
  text: (ctx: JobContext) => string | Promise<string> = (ctx) => `${assetId} of ${ctx.partitionKey ?? "all"}`,
  slug = `make-${assetId}`
) =>
  defineJob({
    slug,
    run: async (ctx) => {
      const location = await ctx.files.writeText("lake", keyOf(assetId, ctx.partitionKey), await text(ctx))
      return { result: { assets: [{ assetId, locations: [location] }] } }
    }
  })

/** Reads the text of a consumed asset. */
export const readInput = async (ctx: JobContext, assetId: string) => {
  const part = ctx.inputs[assetId]!.locations[0]!
  return ctx.files.readText(part.store, part.key)
}

/** A job that reads one consumed asset and answers its text. */
export const uses = (assetId: string, slug = `use-${assetId}`) =>
  defineJob({ slug, run: async (ctx) => ({ result: { text: await readInput(ctx, assetId) } }) })
