import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { makes, readInput, stepFor } from "../support/chainApp.ts"
import { ended, eventsOf, play, start, succeeded, until } from "../support/engine.ts"

let version = 0
const jobs = [
  makes("x", () => `x${++version}`),
  makes("y", (ctx) => readInput(ctx, "x")),
  makes("z", async (ctx) => `${await readInput(ctx, "x")} ${await readInput(ctx, "y")}`)
]
const follows = (job: string, consumes: ReadonlyArray<object>, assetId: string) => ({
  steps: [{ ...stepFor(job), consumes, produces: [{ assetId, autoMaterialize: { onUpstreamUpdate: true } }] }]
})
const workflows = (ofX: object) => ({
  xs: { steps: [stepFor("make-x", { produces: ["x"] })] },
  ys: follows("make-y", [{ assetId: "x" }], "y"),
  zs: follows("make-z", [{ assetId: "x", ...ofX }, { assetId: "y" }], "z")
})

/** Automatic runs of `zs` that one more generation of `x` starts, once nothing is under way any more. */
const runsOfZ = Effect.gen(function* () {
  const ofZ = Effect.map(eventsOf("run", "RunRequested"), (runs) => runs.filter(({ workflow }) => workflow === "zs"))
  const usesBoth = Effect.map(eventsOf("asset", "AssetProduced"), (made) => {
    const newest = (assetId: string) => made.filter((event) => event.assetId === assetId).at(-1)
    const used = (newest("z")?.inputs ?? []) as ReadonlyArray<{ readonly assetId: string; readonly generation: number }>
    return ["x", "y"].every(
      (input) => used.find(({ assetId }) => assetId === input)?.generation === newest(input)?.generation
    )
  })
  yield* succeeded("xs")
  yield* until(usesBoth, (is) => is, "z of the newest x and y")
  yield* Effect.sleep("300 millis")
  for (const { runId } of yield* ofZ) yield* ended(runId as string)
  const before = (yield* ofZ).length
  const engine = yield* Engine
  const { id } = yield* start("xs")
  yield* engine.awaitRun(id)
  yield* until(
    eventsOf("asset", "AssetProduced"),
    (made) => made.filter(({ assetId }) => assetId === "y").length >= 2,
    "y"
  )
  yield* until(usesBoth, (is) => is, "z of the newest x and y")
  yield* Effect.sleep("300 millis")
  for (const { runId } of yield* ofZ) yield* ended(runId as string)
  return (yield* ofZ).length - before
})

describe("an asset that is used directly and through another", () => {
  it.live("F56: starts who uses both at most twice, and the last run has seen both", () =>
    play({ jobs, workflows: workflows({}) }, () =>
      Effect.gen(function* () {
        const count = yield* runsOfZ
        assert.isTrue(count >= 1 && count <= 2, `${count} runs`)
      })
    )
  )

  it.live('F56: starts it once where the direct way is `updateOn: "none"`', () =>
    play({ jobs, workflows: workflows({ updateOn: "none" }) }, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* runsOfZ, 1)
      })
    )
  )
})
