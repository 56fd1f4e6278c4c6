import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { defineJob } from "../../src/index.ts"
import { keyOf, makes, stepFor, uses } from "../support/chainApp.ts"
import { ended, eventsOf, gate, history, play, recoveries, succeeded } from "../support/engine.ts"

describe("asset ids, partition keys and run keys are compared without case", () => {
  it.live(
    "one asset partition has one history, is consumed and healed whatever the case, and is spelled as at first",
    () => {
      const partitioning = { type: "static", keys: ["EU", "us"] }
      const workflows = {
        bases: { steps: [{ ...stepFor("make-base"), produces: [{ assetId: "base", partitioning }] }] },
        users: { steps: [{ ...stepFor("use-base"), consumes: [{ assetId: "BASE", partitionKey: "Eu" }] }] }
      }
      const jobs = [makes("Base", () => "text", "make-base"), uses("BASE", "use-base")]
      return play({ jobs, workflows }, (folder) =>
        Effect.gen(function* () {
          yield* succeeded("bases", "eu")
          const again = yield* succeeded("bases", "EU")
          assert.strictEqual(again.partitionKey, "EU")
          assert.strictEqual(again.steps[0]?.producedAssets[0]?.generation, 2)
          rmSync(join(folder, "lake", keyOf("Base", "EU")))
          yield* succeeded("users")
          const [recovery, ...more] = yield* recoveries
          assert.deepStrictEqual([recovery?.status, recovery?.lostGeneration, more.length], ["succeeded", 2, 0])
          const produced = yield* eventsOf("asset", "AssetProduced")
          assert.deepStrictEqual(
            produced.map(({ assetId, generation, partitionKey }) => [assetId, partitionKey, generation]),
            [1, 2, 3].map((generation) => ["base", "eu", generation])
          )
          const streams = (yield* history)
            .map(({ streamName }) => streamName)
            .filter((name) => name.startsWith("asset-"))
          assert.lengthOf([...new Set(streams)], 1)
        })
      )
    }
  )

  it.live("a step cannot report one partition twice in different case", () => {
    const twice = defineJob({
      slug: "twice",
      run: () => ({
        result: {
          assets: [
            { assetId: "a", partitionKey: "x" },
            { assetId: "A", partitionKey: "X" }
          ]
        }
      })
    })
    return play({ jobs: [twice], workflows: { w: { steps: [stepFor("twice", { produces: ["a"] })] } } }, () =>
      Effect.gen(function* () {
        const engine = yield* Engine
        const { run } = yield* engine.startRun({ workflow: "w" })
        const { failure } = yield* ended(run.id)
        assert.strictEqual(failure?.message, "result.assets names a[X] twice")
      })
    )
  })

  it.live("an active run is answered to its run key in any case, and the key is free when it has ended", () => {
    const door = gate()
    const jobs = [defineJob({ slug: "wait", run: () => door.pass() })]
    return play({ jobs, workflows: { w: { steps: [stepFor("wait")] } } }, () =>
      Effect.gen(function* () {
        const engine = yield* Engine
        const startWith = (runKey: string) => Effect.map(engine.startRun({ workflow: "w", runKey }), ({ run }) => run)
        const first = yield* startWith("Daily")
        assert.strictEqual((yield* startWith("dAILY")).id, first.id)
        assert.strictEqual(first.runKey, "Daily")
        door.open()
        yield* ended(first.id)
        yield* Effect.repeat(startWith("daily"), { until: (run) => run.id !== first.id, times: 200 })
      })
    )
  })

  it.live("a recorded partition of a data set is found in any case", () => {
    const jobs = [
      defineJob({
        slug: "write",
        run: async (ctx) => {
          const location = await ctx.timestore.writePartition("sales", "EU", [{ n: 1 }])
          return { result: { assets: [{ assetId: "sales", partitionKey: "EU", locations: [location] }] } }
        }
      }),
      defineJob({
        slug: "read",
        run: async (ctx) => {
          const rows = await ctx.timestore.query("sales", "SELECT n FROM sales", [], { partitions: ["eu"] })
          return { result: { rows: rows.length } }
        }
      })
    ]
    const workflows = {
      writes: { steps: [stepFor("write", { produces: ["sales"] })] },
      reads: { steps: [stepFor("read")] }
    }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        yield* succeeded("writes")
        assert.deepStrictEqual<unknown>((yield* succeeded("reads")).steps[0]?.result, { rows: 1 })
      })
    )
  })
})
