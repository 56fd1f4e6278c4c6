import { defineApp, defineJob } from "kintsugi"

const load = defineJob({
  slug: "load-orders",
  run: async (ctx) => {
    // Gone? The step waits, its producer runs once, and this goes on.
    const csv = await ctx.files.readText("inbox", `orders_${ctx.partitionKey}.csv`)
    const location = await ctx.files.writeText(
      "warehouse",
      `orders/${ctx.partitionKey}.json`,
      JSON.stringify(csv.split("\n"))
    )
    return { result: { assets: [{ assetId: "orders.raw", locations: [location] }] } }
  }
})

export default defineApp({
  stores: { inbox: { type: "folder", path: "inbox" }, warehouse: { type: "folder", path: "warehouse" } },
  jobs: [load],
  workflows: [
    { slug: "orders", steps: [{ id: "load", jobSlug: "load-orders", produces: [{ assetId: "orders.raw" }] }] }
  ]
})
