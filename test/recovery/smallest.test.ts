import { existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { defineJob } from "../../src/index.ts"
import { keyOf, makes, readInput, stepFor, uses } from "../support/chainApp.ts"
import { eventsOf, play, ran, recoveries, stepOf, succeeded } from "../support/engine.ts"

describe("the smallest work that brings an asset back", () => {
  it.live("F24: only the producing step runs; the others are skipped with their recorded results", () => {
    const calls: Array<string> = []
    const jobs = [
      defineJob({
        slug: "fetch",
        run: async () => {
          calls.push("fetch")
          return { result: { day: "monday" } }
        }
      }),
      makes("report", (ctx) => {
        calls.push("report")
        return `report of ${(ctx.steps.fetch as { day: string }).day}`
      }),
      defineJob({
        slug: "mail",
        run: async () => {
          calls.push("mail")
        }
      }),
      uses("report")
    ]
    const workflows = {
      reports: {
        steps: [
          stepFor("fetch"),
          { ...stepFor("make-report", { produces: ["report"] }), dependsOn: ["fetch"] },
          { ...stepFor("mail"), dependsOn: ["make-report"] }
        ]
      },
      readers: { steps: [stepFor("use-report", { consumes: ["report"] })] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        yield* succeeded("reports")
        rmSync(join(folder, "lake", keyOf("report")))
        const run = yield* succeeded("readers")
        assert.deepStrictEqual(calls, ["fetch", "report", "mail", "report"])
        assert.deepStrictEqual(stepOf(run, "use-report").result, { text: "report of monday" })
        const [recovery] = yield* recoveries
        const producer = yield* engine.run(recovery!.producerRunId!)
        assert.deepStrictEqual(
          producer.steps.map(({ id, status }) => [id, status]),
          [
            ["fetch", "skipped"],
            ["make-report", "succeeded"],
            ["mail", "skipped"]
          ]
        )
        assert.deepStrictEqual(producer.trigger, {
          type: "recovery",
          recoveryId: recovery!.id,
          assetId: "report",
          partitionKey: ""
        })
        const skipped = yield* eventsOf(`run-${producer.id}`, "StepSkipped")
        assert.deepStrictEqual(
          skipped.map(({ reason }) => reason),
          ["not needed", "not needed"]
        )
      })
    )
  })

  it.live("T9 F33: the producer runs with the parameters and partition that it once ran with", () => {
    const seen: Array<unknown> = []
    const jobs = [
      makes("base", (ctx) => {
        seen.push([ctx.parameters, ctx.partitionKey])
        return `${ctx.parameters.region}`
      }),
      uses("base")
    ]
    const workflows = {
      bases: { defaultParameters: { region: "none" }, steps: [stepFor("make-base", { produces: ["base"] })] },
      users: {
        steps: [{ ...stepFor("use-base"), consumes: [{ assetId: "base", partitionKey: "{{ parameters.of }}" }] }]
      }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases", "p1", { region: "north" })
        rmSync(join(folder, "lake", keyOf("base", "p1")))
        yield* succeeded("users", "other", { region: "south", of: "p1" })
        assert.deepStrictEqual(seen, [
          [{ region: "north" }, "p1"],
          [{ region: "north" }, "p1"]
        ])
      })
    )
  })

  it.live("T6 F4: a raw 404 of an object that the step does not declare finds its producer through the index", () => {
    const jobs = [
      makes("base"),
      defineJob({
        slug: "peek",
        run: async (ctx) => ({ result: { text: await ctx.files.readText("lake", "base.txt") } })
      })
    ]
    const workflows = {
      bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
      peeks: { steps: [stepFor("peek")] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const run = yield* succeeded("peeks")
        assert.deepStrictEqual(stepOf(run, "peek").result, { text: "base of all" })
        assert.strictEqual((yield* recoveries)[0]!.assetId, "base")
      })
    )
  })

  it.live("a copy with the same bytes in another recorded place is put back, and no producer runs", () => {
    const calls: Array<string> = []
    const jobs = [
      makes("base", () => {
        calls.push("base")
        return "same bytes"
      }),
      makes("mirror", async (ctx) => {
        calls.push("mirror")
        return readInput(ctx, "base")
      }),
      uses("base")
    ]
    const workflows = {
      bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
      mirrors: { steps: [stepFor("make-mirror", { consumes: ["base"], produces: ["mirror"] })] },
      users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        yield* succeeded("mirrors")
        rmSync(join(folder, "lake", "base.txt"))
        yield* succeeded("users")
        assert.deepStrictEqual(calls, ["base", "mirror"])
        const [recovery] = yield* recoveries
        assert.strictEqual(recovery!.via, "copy")
        assert.strictEqual(recovery!.attempts, 0)
        assert.strictEqual(recovery!.contentChanged, false)
        assert.strictEqual(readFileSync(join(folder, "lake", "base.txt"), "utf8"), "same bytes")
        const generations = (yield* eventsOf("asset", "AssetProduced")).filter(({ assetId }) => assetId === "base")
        assert.deepStrictEqual(
          generations.map(({ contentChanged, generation, restored }) => [generation, restored, contentChanged]),
          [
            [1, false, true],
            [2, true, false]
          ],
          "a heal is a generation of its own, so that a later loss has a key of its own"
        )
      })
    )
  })

  it.live("a heal says whether it brought other bytes than were lost", () => {
    let made = 0
    const jobs = [makes("base", () => `made ${++made}`), uses("base")]
    const workflows = {
      bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
      users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const run = yield* succeeded("users")
        assert.deepStrictEqual(stepOf(run, "use-base").result, { text: "made 2" })
        const [recovery] = yield* recoveries
        assert.strictEqual(recovery!.contentChanged, true)
        assert.strictEqual(recovery!.generation, 2)
      })
    )
  })

  it.live("other outputs of the producing step with equal bytes are no new generations", () => {
    const jobs = [
      defineJob({
        slug: "make-both",
        run: async (ctx) => {
          const left = await ctx.files.writeText("lake", "left.txt", "left")
          const right = await ctx.files.writeText("lake", "right.txt", "right")
          return {
            result: {
              assets: [
                { assetId: "left", locations: [left] },
                { assetId: "right", locations: [right] }
              ]
            }
          }
        }
      }),
      uses("left")
    ]
    const workflows = {
      both: { steps: [stepFor("make-both", { produces: ["left", "right"] })] },
      users: { steps: [stepFor("use-left", { consumes: ["left"] })] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("both")
        rmSync(join(folder, "lake", "left.txt"))
        yield* succeeded("users")
        const generations = yield* eventsOf("asset", "AssetProduced")
        assert.deepStrictEqual(
          generations.map(({ assetId, generation }) => [assetId, generation]),
          [
            ["left", 1],
            ["right", 1],
            ["left", 2]
          ]
        )
      })
    )
  })

  it.live("F20: an optional input that is gone blocks nobody, and is not healed", () => {
    const jobs = [
      makes("base"),
      defineJob({ slug: "use", run: async (ctx) => ({ result: { inputs: Object.keys(ctx.inputs) } }) })
    ]
    const workflows = {
      bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
      users: {
        steps: [
          {
            ...stepFor("use"),
            consumes: [
              { assetId: "base", optional: true },
              { assetId: "never.made", optional: true }
            ]
          }
        ]
      }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        yield* succeeded("users")
        assert.deepStrictEqual(yield* recoveries, [])
        assert.isFalse(existsSync(join(folder, "lake", "base.txt")))
      })
    )
  })

  it.live("widen: a producer that misses a file of no asset runs again with the steps before it", () => {
    const calls: Array<string> = []
    const jobs = [
      defineJob({
        slug: "stage",
        run: async (ctx) => {
          calls.push("stage")
          await ctx.files.writeText("inbox", "scratch.txt", "staged")
        }
      }),
      makes("base", async (ctx) => {
        calls.push("base")
        return `from ${await ctx.files.readText("inbox", "scratch.txt")}`
      }),
      uses("base")
    ]
    const workflows = {
      bases: {
        steps: [stepFor("stage"), { ...stepFor("make-base", { produces: ["base"] }), dependsOn: ["stage"] }]
      },
      users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "inbox", "scratch.txt"))
        rmSync(join(folder, "lake", "base.txt"))
        calls.length = 0
        const run = yield* succeeded("users")
        assert.deepStrictEqual(calls, ["base", "stage", "base"])
        assert.deepStrictEqual(stepOf(run, "use-base").result, { text: "from staged" })
        const scheduled = yield* eventsOf("recovery", "RecoveryScheduled")
        assert.deepStrictEqual(
          scheduled.map(({ only }) => only),
          [["make-base"], ["stage", "make-base"]]
        )
      })
    )
  })

  it.live("the dry run says what would run, in which order and why, and runs nothing (F23)", () => {
    const calls: Array<string> = []
    const jobs = [
      makes("base", () => {
        calls.push("base")
        return "base"
      }),
      makes("view", async (ctx) => {
        calls.push("view")
        return readInput(ctx, "base")
      })
    ]
    const workflows = {
      bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
      views: { steps: [stepFor("make-view", { consumes: ["base"], produces: ["view"] })] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        yield* succeeded("bases")
        yield* succeeded("views")
        assert.isTrue((yield* engine.planRecovery("view", undefined)).present)
        rmSync(join(folder, "lake", "base.txt"))
        rmSync(join(folder, "lake", "view.txt"))
        const plan = yield* engine.planRecovery("view", undefined)
        assert.deepStrictEqual(
          plan.plan.map((planned) => [planned.assetId, planned.workflow, planned.step, planned.class]),
          [
            ["base", "bases", "make-base", "recheck"],
            ["view", "views", "make-view", "recheck"]
          ]
        )
        assert.strictEqual(plan.rootCause?.assetId, "base")
        assert.deepStrictEqual(calls, ["base", "view"])
        assert.deepStrictEqual(yield* recoveries, [])
      })
    )
  })

  it.live(
    "a loss that nobody confirms is no loss: the job's claim about an asset that is there is a transient failure",
    () => {
      const jobs = [
        makes("base"),
        defineJob({
          slug: "liar",
          run: async (ctx) => {
            await ctx.files.readText("lake", "base.txt")
            throw Object.assign(new Error("gone, it says"), { code: "NoSuchKey" })
          }
        })
      ]
      const workflows = {
        bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
        liars: { steps: [stepFor("liar", { consumes: ["base"] })] }
      }
      return play({ jobs, workflows }, () =>
        Effect.gen(function* () {
          yield* succeeded("bases")
          const run = yield* ran("liars")
          assert.strictEqual(run.status, "failed")
          assert.deepStrictEqual(yield* recoveries, [])
        })
      )
    }
  )
})
