import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import { defineJob } from "../../src/index.ts"
import { ProjectionRunner } from "../../src/projections/ProjectionRunner.ts"
import * as RunListQuery from "../../src/projections/RunListQuery.ts"
import { keyOf, makeChain, makes, stepFor } from "../support/chainApp.ts"
import { eventsOf, ran, recoveries, stepOf, succeeded } from "../support/engine.ts"
import { playPg, realStores } from "../support/pgEngine.ts"
import { TestServer } from "../support/postgres.ts"

const loads: Array<string> = []
const load = defineJob({
  slug: "load",
  run: async (ctx) => {
    loads.push(ctx.partitionKey!)
    const rows = [{ day: ctx.partitionKey!, value: Number(ctx.partitionKey!.slice(-2)) }]
    const location = await ctx.timestore.writePartition("readings", ctx.partitionKey!, rows)
    return { result: { assets: [{ assetId: "readings", locations: [location] }] } }
  }
})
const chart = defineJob({
  slug: "chart",
  run: async (ctx) => {
    const [row] = await ctx.timestore.query("readings", "SELECT sum(value)::INT AS total FROM readings")
    const location = await ctx.files.writeText("lake", "dashboard.json", JSON.stringify({ total: row!.total }))
    return { result: { total: row!.total, assets: [{ assetId: "dashboard", locations: [location] }] } }
  }
})
const partition = (day: string) => `timestore/readings/${day}.parquet`

layer(TestServer.layer, { excludeTestServices: true })("healing on real Postgres", (it) => {
  for (const [kind, open] of Object.entries(realStores)) {
    it.effect(`F89: with ${kind} a deleted partition replays its loader, and the dashboard's step finishes`, () =>
      Effect.gen(function* () {
        const { lose, stores } = yield* open
        const workflows = {
          loading: { steps: [stepFor("load", { produces: ["readings"] })] },
          dashboards: { steps: [stepFor("chart", { produces: ["dashboard"] })] }
        }
        yield* playPg({ jobs: [load, chart], workflows, settings: { stores } }, (folder) =>
          Effect.gen(function* () {
            for (const day of ["2024-01", "2024-02", "2024-03"]) yield* succeeded("loading", day)
            assert.deepStrictEqual(stepOf(yield* succeeded("dashboards"), "chart").result, { total: 6 })
            yield* lose(folder, "lake", partition("2024-02"))
            loads.length = 0
            const run = yield* succeeded("dashboards")
            assert.deepStrictEqual(stepOf(run, "chart").result, { total: 6 }, "never a smaller answer")
            assert.deepStrictEqual(loads, ["2024-02"], "only the lost partition is loaded again")
            assert.deepStrictEqual(
              (yield* recoveries).map(({ assetId, partitionKey, status }) => [assetId, partitionKey, status]),
              [["readings", "2024-02", "succeeded"]]
            )
            assert.strictEqual((yield* eventsOf(`run-${run.id}`, "StepSuspended")).length, 1)
          })
        )
      }).pipe(Effect.scoped)
    )

    it.effect(`F92 T28: with ${kind} a depth-4 chain with all but the source gone heals, each producer run once`, () =>
      Effect.gen(function* () {
        const { lose, stores } = yield* open
        const chain = makeChain()
        yield* playPg({ ...chain, settings: { stores } }, (folder) =>
          Effect.gen(function* () {
            for (const workflow of ["acquisition", "ingest", "publish"]) yield* succeeded(workflow, "p1")
            chain.calls.length = 0
            yield* lose(folder, "inbox", "raw_p1.csv")
            for (const key of ["cleaned/p1.txt", "table/p1.txt", "figure/p1.txt"]) yield* lose(folder, "lake", key)
            yield* succeeded("publish", "p1")
            assert.deepStrictEqual(chain.calls, ["acquire[p1]", "clean[p1]", "load[p1]", "plot[p1]"])
            const ended = (yield* recoveries).map(({ assetId, attempts, status }) => [assetId, attempts, status])
            assert.deepStrictEqual(ended.sort(), [
              ["cleaned", 1, "succeeded"],
              ["raw", 1, "succeeded"],
              ["table", 1, "succeeded"]
            ])
          })
        )
      }).pipe(Effect.scoped)
    )

    it.effect(`with ${kind} a file that somebody else replaced is refused to a step that does not declare it`, () =>
      Effect.gen(function* () {
        const { lose, replace, stores } = yield* open
        const peek = defineJob({
          slug: "peek",
          run: async (ctx) => ({ result: { text: await ctx.files.readText("lake", keyOf("base")) } })
        })
        const workflows = {
          bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
          peeks: { steps: [stepFor("peek")] }
        }
        const settings = { stores, timestoreStore: undefined }
        yield* playPg({ jobs: [makes("base"), peek], workflows, settings }, (folder) =>
          Effect.gen(function* () {
            yield* succeeded("bases")
            yield* replace(folder, "lake", keyOf("base"), "edited")
            const run = yield* ran("peeks")
            assert.deepStrictEqual([run.failure?.class, run.failure?.code], ["permanent", "changed_outside"])
            assert.deepStrictEqual(yield* recoveries, [])
            yield* lose(folder, "lake", keyOf("base"))
            assert.deepStrictEqual(stepOf(yield* succeeded("peeks"), "peek").result, { text: "base of all" })

            // T24: the run that a recovery causes says so, and is found by it.
            const engine = yield* Engine
            const [recovery] = yield* recoveries
            const { recoveryId, type } = (yield* engine.run(recovery!.producerRunId!)).trigger as Record<
              string,
              unknown
            >
            assert.deepStrictEqual({ type, recoveryId }, { type: "recovery", recoveryId: recovery!.id })
          })
        )
      }).pipe(Effect.scoped)
    )
  }

  it.effect("T24 F59: runs are found by the type of their trigger, those that a recovery caused among them", () =>
    Effect.gen(function* () {
      const { lose, stores } = yield* realStores.folders!
      const chain = makeChain()
      yield* playPg({ ...chain, settings: { stores } }, (folder) =>
        Effect.gen(function* () {
          yield* succeeded("acquisition", "p1")
          yield* lose(folder, "inbox", "raw_p1.csv")
          yield* succeeded("ingest", "p1")
          const runner = yield* ProjectionRunner
          yield* runner.waitFor(yield* (yield* EventStore).head)
          const listed = (trigger: string) =>
            Effect.map(RunListQuery.list({ trigger }, { limit: 10 }), ({ data }) =>
              data.map((run) => [run.workflow, run.trigger])
            )
          const [recovery] = yield* recoveries
          const trigger = { type: "recovery", recoveryId: recovery!.id, assetId: "raw", partitionKey: "p1" }
          assert.deepStrictEqual(yield* listed("recovery"), [["acquisition", trigger]])
          assert.deepStrictEqual((yield* listed("manual")).map(([workflow]) => workflow).sort(), [
            "acquisition",
            "ingest"
          ])
          const types = (yield* eventsOf("run", "RunRequested")).map(
            (event) => (event.trigger as { type?: string }).type
          )
          assert.deepStrictEqual(types.sort(), ["manual", "manual", "recovery"], "no trigger is without a type")
        })
      )
    }).pipe(Effect.scoped)
  )
})
