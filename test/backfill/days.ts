import { Effect } from "effect"
import { defineJob, type JobContext } from "../../src/index.ts"
import { Backfills } from "../../src/actors/Backfills.ts"
import { until } from "../support/engine.ts"

/** Makes one file of the asset `days` for each partition; `during` may wait or fail. */
export const making = (during: (ctx: JobContext) => Promise<void> | void = () => {}) =>
  defineJob({
    slug: "make-day",
    run: async (ctx) => {
      await during(ctx)
      const location = await ctx.files.writeText("lake", `days/${ctx.partitionKey}.txt`, `day ${ctx.partitionKey}`)
      return { result: { assets: [{ assetId: "days", locations: [location] }] } }
    }
  })

/** The workflow `days`, whose one step makes the asset `days`. */
export const partitioned = (partitioning: object) => ({
  days: {
    steps: [
      {
        ...{ id: "make", jobSlug: "make-day", produces: [{ assetId: "days", partitioning }] },
        retryPolicy: { strategy: "none" }
      }
    ]
  }
})
export const daily = partitioned({ type: "timeWindow", granularity: "day", timezone: "UTC", lookbackWindows: 3 })
export const letters = partitioned({ type: "static", keys: ["a", "b", "c", "d", "e", "f"] })

/** The backfill once it is over. */
export const finished = Effect.fnUntraced(function* (id: string) {
  const backfills = yield* Backfills
  return yield* until(backfills.read(id), ({ finishedAt }) => finishedAt !== null, `end of backfill ${id}`)
})
