import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { defineJob } from "../../src/index.ts"
import { keyOf, makes, readInput, stepFor } from "../support/chainApp.ts"
import { eventsOf, play, recoveries, stepOf, succeeded } from "../support/engine.ts"

const planOf = Effect.fnUntraced(function* (assetId: string, partitionKey?: string) {
  const engine = yield* Engine
  const { class: planClass, plan, rootCause } = yield* engine.planRecovery(assetId, partitionKey)
  return {
    class: planClass,
    rootCause: rootCause?.assetId,
    rootPartition: rootCause?.partitionKey,
    steps: plan.map((step) => [step.assetId, step.class]),
    why: Object.fromEntries(plan.map((step) => [step.assetId, step.why]))
  }
})

/** `raw` and `side` are acquired; `left` and `right` are made from `raw`; `merged` from `left`, `right` and `side`. */
const diamond = () => {
  const derive = (to: string, ...from: ReadonlyArray<string>) =>
    makes(
      to,
      async (ctx) => `${to} of ${(await Promise.all(from.map((assetId) => readInput(ctx, assetId)))).join(", ")}`
    )
  const consumes = { raw: [], side: [], left: ["raw"], right: ["raw"], merged: ["left", "right", "side"] }
  return {
    order: Object.keys(consumes),
    jobs: Object.entries(consumes).map(([to, from]) => derive(to, ...from)),
    workflows: Object.fromEntries(
      Object.entries(consumes).map(([to, from]) => [
        `${to}s`,
        { steps: [stepFor(`make-${to}`, { consumes: from, produces: [to] })] }
      ])
    )
  }
}

describe("a recovery plan", () => {
  it.live("F17: says reprocess of what has its inputs, recheck of what must be acquired or waits for that", () => {
    const { order, ...scenario } = diamond()
    return play(scenario, (folder) =>
      Effect.gen(function* () {
        for (const asset of order) yield* succeeded(`${asset}s`)
        const lose = (...assets: ReadonlyArray<string>) => {
          for (const asset of assets) rmSync(join(folder, "lake", keyOf(asset)))
        }

        lose("merged")
        const local = yield* planOf("merged")
        assert.deepStrictEqual(local.steps, [["merged", "reprocess"]])
        assert.deepStrictEqual([local.class, local.rootCause], ["reprocess", "merged"])
        assert.strictEqual(local.why.merged, "generation 1 is gone; all 3 inputs are there")

        // `left` can be made from what is there, `merged` only after it: recheck wins over its two present inputs.
        lose("left")
        const mixed = yield* planOf("merged")
        assert.deepStrictEqual(mixed.steps, [
          ["left", "reprocess"],
          ["merged", "recheck"]
        ])
        assert.deepStrictEqual([mixed.class, mixed.rootCause], ["recheck", "left"])
        assert.strictEqual(mixed.why.merged, "generation 1 is gone; made again after left")

        lose("right", "raw")
        const whole = yield* planOf("merged")
        assert.deepStrictEqual(
          whole.steps,
          [
            ["raw", "recheck"],
            ["left", "recheck"],
            ["right", "recheck"],
            ["merged", "recheck"]
          ],
          "inputs before what is made from them, the shared one once"
        )
        assert.strictEqual(whole.rootCause, "raw")
        assert.deepStrictEqual(whole.why, {
          raw: "generation 1 is gone; its step has no inputs and acquires it again",
          left: "generation 1 is gone; made again after raw",
          right: "generation 1 is gone; made again after raw",
          merged: "generation 1 is gone; made again after left, right"
        })
        assert.deepStrictEqual(yield* planOf("merged"), whole, "the same each time")
        assert.deepStrictEqual(yield* recoveries, [], "it only says so")
      })
    )
  })

  const snapshots = ["d1", "d2", "d3"]
  const snapshot = (seen: Array<string>) =>
    makes("snapshot", (ctx) => {
      seen.push(`snapshot[${ctx.partitionKey}]`)
      return ctx.partitionKey!
    })
  const declared = defineJob({
    slug: "make-history",
    run: async (ctx) => {
      const texts = await Promise.all(
        ctx.inputs.snapshot!.all.map(({ locations: [part] }) => ctx.files.readText(part!.store, part!.key))
      )
      const location = await ctx.files.writeText("lake", "history.txt", texts.join(","))
      return {
        result: { text: texts.join(","), assets: [{ assetId: "history", partitionKey: "", locations: [location] }] }
      }
    }
  })
  const undeclared = defineJob({
    slug: "make-history",
    run: async (ctx) => {
      const texts = []
      for (const day of snapshots) texts.push(await ctx.files.readText("lake", keyOf("snapshot", day)))
      const location = await ctx.files.writeText("lake", "history.txt", texts.join(","))
      return {
        result: { text: texts.join(","), assets: [{ assetId: "history", partitionKey: "", locations: [location] }] }
      }
    }
  })
  const kinds = {
    "that declares them": [declared, [{ assetId: "snapshot", partitions: "all" }]],
    "that only reads them": [undeclared, []]
  } as const
  for (const [kind, [derive, consumes]] of Object.entries(kinds)) {
    it.live(`F19: of a history ${kind} targets the parent that owns the missing snapshots, and only those`, () => {
      const seen: Array<string> = []
      const workflows = {
        snapshots: { steps: [stepFor("make-snapshot", { produces: ["snapshot"] })] },
        histories: { steps: [{ ...stepFor("make-history", { produces: ["history"] }), consumes }] },
        readers: { steps: [stepFor("read", { consumes: ["history"] })] }
      }
      const read = defineJob({
        slug: "read",
        run: async (ctx) => ({ result: { text: await readInput(ctx, "history") } })
      })
      return play({ jobs: [snapshot(seen), derive, read], workflows }, (folder) =>
        Effect.gen(function* () {
          for (const day of snapshots) yield* succeeded("snapshots", day)
          yield* succeeded("histories")
          for (const key of ["history.txt", keyOf("snapshot", "d1"), keyOf("snapshot", "d3")]) {
            rmSync(join(folder, "lake", key))
          }
          const engine = yield* Engine
          const { plan, rootCause } = yield* engine.planRecovery("history", undefined)
          assert.deepStrictEqual(
            plan.map((step) => [step.assetId, step.partitionKey, step.workflow, step.class]),
            [
              ["snapshot", "d1", "snapshots", "recheck"],
              ["snapshot", "d3", "snapshots", "recheck"],
              ["history", "", "histories", "recheck"]
            ]
          )
          assert.deepStrictEqual([rootCause?.assetId, rootCause?.partitionKey], ["snapshot", "d1"])

          seen.length = 0
          const run = yield* succeeded("readers")
          assert.deepStrictEqual(stepOf(run, "read").result, { text: "d1,d2,d3" }, "the whole history")
          assert.deepStrictEqual(seen.sort(), ["snapshot[d1]", "snapshot[d3]"])
          const targets = (yield* eventsOf("recovery", "RecoveryScheduled")).length
          assert.strictEqual(targets, 3, "one producer run for each of what was gone")
        })
      )
    })
  }
})
