import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { UpdateLoops } from "../../src/actors/UpdateLoops.ts"
import { parseDefinition } from "../../src/domain/Definition.ts"
import { defineApp, defineWorkflow } from "../../src/index.ts"
import { checkApp } from "../../src/sdk/AppCheck.ts"
import { makes, stepFor } from "../support/chainApp.ts"
import { play, succeeded } from "../support/engine.ts"

const jobs = [makes("st"), makes("top")]
const listed = { type: "static", keys: ["a", "b"] }
const daily = { type: "timeWindow", granularity: "day" }
const making = (partitioning?: object, assetId = "st") => ({
  steps: [{ ...stepFor("make-st"), produces: [{ assetId, ...(partitioning === undefined ? {} : { partitioning }) }] }]
})
const consuming = (partitionKey: string) => ({
  steps: [{ ...stepFor("make-top"), consumes: [{ assetId: "ST", partitionKey }], produces: [{ assetId: "top" }] }]
})

/** The faults for which a definition is refused; none when it is taken. */
const refusal = (slug: string, definition: object) =>
  Effect.gen(function* () {
    const runs = yield* Engine
    const result = yield* Effect.result(runs.define(slug, definition, "app"))
    if (Result.isSuccess(result)) return []
    assert(result.failure._tag === "InvalidInput")
    return result.failure.problems
  })

describe("workflows that share an asset", () => {
  it.live("F64: are refused where they declare other partitions of it, naming both and the path", () =>
    play({ jobs, workflows: { mm: making(listed) } }, () =>
      Effect.gen(function* () {
        for (const partitioning of [daily, undefined, { ...listed, keys: ["a"] }]) {
          const [problem, ...more] = yield* refusal("zz", making(partitioning, "ST"))
          assert.strictEqual(problem?.path, "steps[0].produces[0].partitioning")
          assert.match(problem?.message ?? "", /workflow mm declares it with \{"type":"static".*, zz with /)
          assert.deepStrictEqual(more, [])
        }
        assert.deepStrictEqual(yield* refusal("zz", making({ ...listed, keys: ["A", "b"] })), [])
        // Each declares it now: neither can change it alone, but either can leave it to the other.
        assert.lengthOf(yield* refusal("mm", making(daily)), 1)
        assert.deepStrictEqual(yield* refusal("zz", making(listed, "other")), [])
        assert.deepStrictEqual(yield* refusal("mm", making(daily)), [])
        assert.deepStrictEqual(yield* refusal("zz", making(daily)), [])
        yield* succeeded("mm", "2024-01-01")
      })
    )
  )

  it.live("F64: an app's are judged together, whatever stood before", () =>
    play({ jobs, workflows: { aa: making(listed), mm: making(listed) } }, () =>
      Effect.gen(function* () {
        const loops = yield* UpdateLoops
        const next = { aa: making(daily), mm: making(daily) }
        loops.announce(Object.entries(next).map(([slug, source]) => Result.getOrThrow(parseDefinition(source, slug))))
        for (const [slug, definition] of Object.entries(next)) {
          assert.deepStrictEqual(yield* refusal(slug, definition), [])
        }
        yield* succeeded("mm", "2024-01-01")
      })
    )
  )

  it("F64: of one app that contradict each other are refused before anything starts", () => {
    const app = defineApp({
      jobs: [makes("st")],
      workflows: [
        defineWorkflow({ slug: "aa", ...making(listed) } as never),
        defineWorkflow({ slug: "mm", ...making(daily) } as never)
      ]
    })
    const result = checkApp(app)
    assert(Result.isFailure(result))
    assert.deepStrictEqual(
      result.failure.problems.map(({ path }) => path),
      ["workflows[1].steps[0].produces[0].partitioning"]
    )
  })

  it.live("F65: a partition that is consumed by its key must be one of the asset's", () =>
    play({ jobs, workflows: { mm: making(listed) } }, () =>
      Effect.gen(function* () {
        const [problem] = yield* refusal("tops", consuming("q"))
        assert.strictEqual(problem?.path, "steps[0].consumes[0].partitionKey")
        assert.match(problem?.message ?? "", /must be one of "a", "b", not "q".*workflow mm/)
        assert.deepStrictEqual(yield* refusal("tops", consuming("B")), [])
        assert.deepStrictEqual(yield* refusal("mm", making({ ...listed, keys: ["a"] })), [])
        assert.deepStrictEqual(yield* refusal("tops", { ...consuming("B"), description: "as before" }), [])
        assert.lengthOf(yield* refusal("others", consuming("b")), 1)
        yield* succeeded("mm", "a")
      })
    )
  )
})
