import { existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { defineJob } from "../../src/index.ts"
import { stepFor } from "../support/chainApp.ts"
import { eventsOf, play, recoveries, stepOf, succeeded } from "../support/engine.ts"

const makeJobs = (loads: Array<string>) => [
  defineJob({
    slug: "load",
    run: async (ctx) => {
      loads.push(ctx.partitionKey!)
      const rows = [{ day: ctx.partitionKey!, value: Number(ctx.partitionKey!.slice(-2)) }]
      const location = await ctx.timestore.writePartition("readings", ctx.partitionKey!, rows)
      return { result: { assets: [{ assetId: "readings", locations: [location] }] } }
    }
  }),
  defineJob({
    slug: "chart",
    run: async (ctx) => {
      const [row] = await ctx.timestore.query("readings", "SELECT sum(value)::INT AS total FROM readings")
      return { result: { total: row!.total } }
    }
  })
]
const loading = { steps: [stepFor("load", { produces: ["readings"] })] }

describe("a lost timestore partition", () => {
  it.live(
    "F89: a deleted partition replays its loader, and the dashboard's step finishes with the whole answer",
    () => {
      const loads: Array<string> = []
      const workflows = { loading, dashboard: { steps: [stepFor("chart")] } }
      return play({ jobs: makeJobs(loads), workflows }, (folder) =>
        Effect.gen(function* () {
          for (const day of ["2024-01", "2024-02", "2024-03"]) yield* succeeded("loading", day)
          const file = join(folder, "lake", "timestore", "readings", "2024-02.parquet")
          assert.isTrue(existsSync(file))
          rmSync(file)
          loads.length = 0
          const run = yield* succeeded("dashboard")
          assert.deepStrictEqual(stepOf(run, "chart").result, { total: 6 }, "never a smaller answer")
          assert.deepStrictEqual(loads, ["2024-02"], "only the lost partition is loaded again")
          const [recovery] = yield* recoveries
          assert.deepStrictEqual([recovery!.assetId, recovery!.partitionKey], ["readings", "2024-02"])
          assert.strictEqual((yield* eventsOf(`run-${run.id}`, "StepSuspended")).length, 1)
        })
      )
    }
  )

  it.live("F89: every lost partition of a consumed data set is back before the step begins", () => {
    const loads: Array<string> = []
    const chart = { ...stepFor("chart"), consumes: [{ assetId: "readings", partitions: "all" }] }
    return play({ jobs: makeJobs(loads), workflows: { loading, dashboard: { steps: [chart] } } }, (folder) =>
      Effect.gen(function* () {
        for (const day of ["2024-01", "2024-02", "2024-03"]) yield* succeeded("loading", day)
        rmSync(join(folder, "lake", "timestore", "readings"), { recursive: true })
        loads.length = 0
        const run = yield* succeeded("dashboard")
        assert.deepStrictEqual(stepOf(run, "chart").result, { total: 6 })
        assert.deepStrictEqual([...loads].sort(), ["2024-01", "2024-02", "2024-03"])
        assert.strictEqual(stepOf(run, "chart").attempt, 1)
        assert.strictEqual((yield* recoveries).length, 3)
      })
    )
  })
})
