import { renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { defineJob, TransientFailure } from "../../src/index.ts"
import { makes, stepFor, uses } from "../support/chainApp.ts"
import { eventsOf, history, play, ran, recoveries, stepOf, succeeded, typesOf } from "../support/engine.ts"

const bases = (off: object = {}, asset: object = {}) => ({
  ...off,
  steps: [{ ...stepFor("make-base"), produces: [{ assetId: "base", ...asset }] }]
})
const users = (off: object = {}, step: object = {}) => ({
  ...off,
  steps: [{ ...stepFor("use-base", { consumes: ["base"] }), ...step }]
})
const disabled = { recovery: { enabled: false } }

/** What a plain engine does when a job fails each time: the sequence that recovery switched off has to repeat. */
const plain = () => {
  const job = defineJob({
    slug: "use-base",
    run: async () => {
      throw new TransientFailure("the file is not there")
    }
  })
  return play({ jobs: [job], workflows: { users: { steps: [stepFor("use-base")] } } }, () =>
    Effect.gen(function* () {
      return yield* typesOf(`run-${(yield* ran("users")).id}`)
    })
  )
}

const levels = {
  "by the environment": { workflows: { bases: bases(), users: users() }, settings: { recovery: false } },
  "by the workflow": { workflows: { bases: bases(), users: users(disabled) } },
  "by the step": { workflows: { bases: bases(), users: users({}, disabled) } },
  "by the asset": { workflows: { bases: bases({}, disabled), users: users() } },
  "by the producing workflow": { workflows: { bases: bases(disabled), users: users() } }
}

describe("recovery switched off", () => {
  for (const [level, scenario] of Object.entries(levels)) {
    it.live(`F40 F95: ${level}, a lost input is tried again and fails like any transient failure`, () =>
      Effect.gen(function* () {
        const expected = yield* plain()
        yield* play({ jobs: [makes("base"), uses("base")], ...scenario }, (folder) =>
          Effect.gen(function* () {
            yield* succeeded("bases")
            rmSync(join(folder, "lake", "base.txt"))
            const run = yield* ran("users")
            assert.deepStrictEqual(yield* typesOf(`run-${run.id}`), expected)
            assert.strictEqual(run.failure?.class, "asset_missing", "the class keeps its name")
            assert.strictEqual(stepOf(run, "use-base").attempt, 3)
            const delays = (yield* eventsOf(`run-${run.id}`, "StepRetryScheduled")).map(({ delayMs }) => delayMs)
            assert.deepStrictEqual(delays, [10, 10])
            assert.deepStrictEqual(yield* recoveries, [])
            assert.isFalse((yield* history).some(({ type }) => type === "AssetMissingDetected"))
          })
        )
      })
    )
  }

  it.live("F40: consumes is not checked, so a step whose input was never made begins at once", () => {
    const jobs = [
      makes("base"),
      defineJob({ slug: "use-base", run: async (ctx) => ({ result: { inputs: Object.keys(ctx.inputs) } }) })
    ]
    return play({ jobs, workflows: { bases: bases(), users: users() }, settings: { recovery: false } }, () =>
      Effect.gen(function* () {
        const run = yield* succeeded("users")
        assert.deepStrictEqual(stepOf(run, "use-base").result, { inputs: [] })
      })
    )
  })

  it.live("F40 F95: an outage is tried again like any transient failure", () =>
    Effect.gen(function* () {
      const expected = yield* plain()
      const scenario = { workflows: { bases: bases(), users: users() }, settings: { recovery: false } }
      yield* play({ jobs: [makes("base"), uses("base")], ...scenario }, (folder) =>
        Effect.gen(function* () {
          yield* succeeded("bases")
          renameSync(join(folder, "lake"), join(folder, "lake.away"))
          const run = yield* ran("users")
          assert.deepStrictEqual(yield* typesOf(`run-${run.id}`), expected)
          assert.strictEqual(run.failure?.class, "store_unavailable")
        })
      )
    })
  )
})
