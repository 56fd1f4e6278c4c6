import { defineApp, defineJob, defineWorkflow } from "kintsugi"

const make = defineJob({
  slug: "make-numbers",
  run: async (ctx) => {
    const location = await ctx.files.writeText("lake", "numbers.json", "[1,2,3]")
    return { result: { assets: [{ assetId: "outage.numbers", locations: [location] }] } }
  }
})

const sum = defineJob({
  slug: "sum-numbers",
  run: async (ctx) => {
    const numbers: ReadonlyArray<number> = JSON.parse(await ctx.files.readText("lake", "numbers.json"))
    return { result: { sum: numbers.reduce((total, number) => total + number, 0) } }
  }
})

/** One workflow writes a file into S3, another one reads it: what docs/OUTAGE.md takes away and watches come back. */
export default defineApp({
  stores: {
    lake: { type: "s3", bucket: "lake", endpoint: process.env.OUTAGE_S3 ?? "http://127.0.0.1:9000", createBucket: true }
  },
  jobs: [make, sum],
  workflows: [
    defineWorkflow({
      slug: "numbers",
      steps: [{ id: "make", jobSlug: "make-numbers", produces: [{ assetId: "outage.numbers" }] }]
    }),
    defineWorkflow({
      slug: "sum",
      steps: [{ id: "sum", jobSlug: "sum-numbers", consumes: [{ assetId: "outage.numbers" }] }]
    })
  ]
})
