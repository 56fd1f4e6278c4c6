import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { defineJob, PermanentFailure } from "../../src/index.ts"
import { ended, layerMemory, start, temporaryFolder } from "../support/engine.ts"

let calls = 0
const jobs = [
  defineJob({
    slug: "nul-result",
    run: () => {
      calls++
      return { result: { text: "a\0b" } }
    }
  }),
  defineJob({
    slug: "nul-message",
    run: () => {
      throw new PermanentFailure("a\0b \ud800")
    }
  })
]

const cyclic: { list: Array<object> } = { list: [] }
cyclic.list.push({ back: cyclic })
let deep: object = {}
for (let level = 0; level < 100; level++) deep = { a: deep }
const throwing = { toJSON: () => JSON.parse("{") }

/** What a job answers, and what its step says of it. */
const refused: ReadonlyArray<readonly [answer: unknown, message: string | RegExp]> = [
  [{ result: { n: [1, 2n] } }, "result.n[1] must be JSON, not a bigint"],
  [{ result: { a: cyclic } }, "result.a.list[0].back must not contain itself: it is a"],
  [{ result: deep }, /^result(\.a){64} is nested deeper than 64 levels$/],
  [{ result: { "a\0": 1 } }, 'result["a\\u0000"] must not contain the NUL character'],
  [{ result: { x: throwing } }, /^result\S* cannot be written as JSON: /],
  [{ result: () => 1 }, "result must be JSON, not a function"],
  [
    { result: { assets: [{ assetId: "a", payload: { n: 1n } }] } },
    "result.assets[0].payload.n must be JSON, not a bigint"
  ],
  [{ reslt: {} }, "reslt is not a known field: job answers may answer status, result, error"],
  [{ status: "failed", "exit code": 3 }, /^\["exit code"\] is not a known field: /],
  [
    { result: { assets: [{ assetId: "a", payloud: 1 }] } },
    /^result\.assets\[0\]\.payloud is not a known field: an asset has assetId, /
  ],
  [
    {
      result: { assets: [{ assetId: "a", payload: { n: "one" }, schema: { properties: { n: { type: "integer" } } } }] }
    },
    "asset a breaks its schema: result.assets[0].payload.n: must be integer"
  ],
  [
    { result: { assets: [{ assetId: "a", schema: { propertees: 1 } }] } },
    "result.assets[0].schema.propertees is not a known field"
  ]
]

describe("what the log cannot keep", () => {
  it.live("a result with a NUL character fails its step once, and a message with one is shown without it", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const baseDir = yield* temporaryFolder
        const body = Effect.gen(function* () {
          const engine = yield* Engine
          for (const { slug } of jobs) yield* engine.define(slug, { steps: [{ id: "s", jobSlug: slug }] }, "app")
          const result = yield* ended((yield* start("nul-result")).id)
          assert.deepStrictEqual([result.status, result.failure?.code, calls], ["failed", "invalid_result", 1])
          const message = yield* ended((yield* start("nul-message")).id)
          assert.strictEqual(message.failure?.message, "a\\0b \ufffd")
        })
        yield* Effect.provide(body, layerMemory({ jobs, baseDir }))
      })
    )
  )

  it.live("an answer that cannot be kept fails its step for good, and says what is wrong and where", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const baseDir = yield* temporaryFolder
        let answer: unknown
        const job = defineJob({ slug: "answers", run: () => answer as never })
        const body = Effect.gen(function* () {
          const engine = yield* Engine
          const steps = [{ id: "s", jobSlug: "answers", produces: [{ assetId: "a" }] }]
          yield* engine.define("w", { steps }, "app")
          for (const [given, message] of refused) {
            answer = given
            const { failure, status, steps } = yield* ended((yield* start("w")).id)
            assert.deepStrictEqual([status, failure?.class, steps[0]?.attempt], ["failed", "permanent", 1])
            if (typeof message === "string") assert.strictEqual(failure?.message, message)
            else assert.match(failure?.message ?? "", message)
          }
          // What the contract lists, the same value twice, dates and what JSON leaves out are all fine.
          const day = { day: new Date(0) }
          const asset = { assetId: "a", payload: day, producedAt: new Date(0), freshness: {}, locations: [] }
          answer = { result: { day, again: [day, day], f: () => 1, assets: [asset] }, error: undefined }
          const good = yield* ended((yield* start("w")).id)
          assert.deepStrictEqual<unknown>(good.steps[0]?.result, {
            day: { day: "1970-01-01T00:00:00.000Z" },
            again: [{ day: "1970-01-01T00:00:00.000Z" }, { day: "1970-01-01T00:00:00.000Z" }]
          })
        })
        yield* Effect.provide(body, layerMemory({ jobs: [job], baseDir }))
      })
    )
  )
})
