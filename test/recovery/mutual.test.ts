import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { defineJob } from "../../src/index.ts"
import { makes, readInput, stepFor, uses } from "../support/chainApp.ts"
import { ended, eventsOf, play, recoveries, start, succeeded } from "../support/engine.ts"

describe("repairs that block each other", () => {
  it.live(
    "F37: two lost assets made from each other, both asked for at once, end with a reason and leave nobody waiting",
    () => {
      const jobs = [
        defineJob({
          slug: "make-left",
          run: async (ctx) => {
            const location = await ctx.files.writeText("lake", "left.txt", "left")
            if (ctx.parameters.first !== true) await readInput(ctx, "right")
            return { result: { assets: [{ assetId: "left", locations: [location] }] } }
          }
        }),
        makes("right", (ctx) => readInput(ctx, "left")),
        uses("left"),
        uses("right")
      ]
      const workflows = {
        lefts: { steps: [stepFor("make-left", { produces: ["left"] })] },
        rights: { steps: [stepFor("make-right", { consumes: ["left"], produces: ["right"] })] },
        "left-users": { steps: [stepFor("use-left", { consumes: ["left"] })] },
        "right-users": { steps: [stepFor("use-right", { consumes: ["right"] })] }
      }
      return play({ jobs, workflows }, (folder) =>
        Effect.gen(function* () {
          const engine = yield* Engine
          yield* succeeded("lefts", undefined, { first: true })
          yield* succeeded("rights")
          const closed = { steps: [stepFor("make-left", { consumes: ["right"], produces: ["left"] })] }
          yield* engine.define("lefts", closed, "app")
          yield* succeeded("lefts")
          rmSync(join(folder, "lake", "left.txt"))
          rmSync(join(folder, "lake", "right.txt"))
          const runs = yield* Effect.all([start("left-users"), start("right-users")], { concurrency: 2 })
          for (const { id } of runs) {
            const run = yield* ended(id)
            assert.strictEqual(run.status, "failed", "it is not left waiting")
            assert.strictEqual(run.failure?.code, "cycle", JSON.stringify(run.failure))
          }
          for (const { status } of yield* recoveries) assert.strictEqual(status, "failed")
          const ran = (yield* eventsOf("run", "RunRequested")).filter(
            ({ trigger }) => (trigger as { type: string }).type === "recovery"
          )
          assert.deepStrictEqual(ran, [], "nothing was run in vain")
        })
      )
    }
  )
})
