import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parseDefinition } from "../../src/domain/Definition.ts"
import { build, walk } from "../../src/domain/Lineage.ts"

const step = (
  id: string,
  consumes: ReadonlyArray<string>,
  produces: ReadonlyArray<string>,
  dependsOn: ReadonlyArray<string> = []
) => ({
  ...{ id, jobSlug: "job", dependsOn },
  consumes: consumes.map((assetId) => ({ assetId })),
  produces: produces.map((assetId) => ({ assetId }))
})
const workflow = (slug: string, ...steps: ReadonlyArray<object>) => Result.getOrThrow(parseDefinition({ slug, steps }))

const graph = build([
  workflow(
    "a",
    step("load", ["Source"], ["raw"]),
    step("clean", [], ["clean"], ["load"]),
    step("other", [], ["aside"])
  ),
  workflow("b", step("use", ["CLEAN"], ["report"])),
  workflow("c", step("loop", ["report"], ["raw"]))
])

describe("lineage over all workflows (F12)", () => {
  it("an asset leads to what its consuming step and the steps after it make, not to other steps' outputs", () => {
    assert.sameMembers([...walk(graph, ["source"], "down", 1, 100).assets], ["source", "raw", "clean"])
    assert.sameMembers([...walk(graph, ["aside"], "both", 9, 100).assets], ["aside"])
  })

  it("is followed as far as the depth says, in the direction that is asked for, and a cycle ends", () => {
    assert.sameMembers([...walk(graph, ["report"], "up", 1, 100).assets], ["report", "clean"])
    assert.sameMembers([...walk(graph, ["report"], "up", 2, 100).assets], ["report", "clean", "source"])
    assert.sameMembers([...walk(graph, ["clean"], "down", 99, 100).assets], ["clean", "report", "raw"])
    assert.deepStrictEqual(walk(graph, ["clean"], "down", 0, 100), { assets: ["clean"], edges: [], truncated: false })
  })

  it("edges name the step, and an asset that nobody makes is there with its consumers", () => {
    const { edges } = walk(graph, ["source"], "both", 1, 100)
    assert.deepStrictEqual(
      edges.map(({ assetKey, kind, stepId, workflow }) => [kind, assetKey, workflow, stepId]),
      [
        ["consume", "source", "a", "load"],
        ["produce", "raw", "a", "load"],
        ["produce", "clean", "a", "clean"]
      ]
    )
    assert.strictEqual(graph.assets.get("source")?.assetId, "Source")
  })

  it("says when it was cut", () => {
    const { assets, truncated } = walk(graph, ["source"], "down", 9, 2)
    assert.deepStrictEqual([assets.length, truncated], [2, true])
  })
})
