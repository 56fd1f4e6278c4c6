import { readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { defineJob, type JobContext } from "../../src/index.ts"
import { keyOf, stepFor, uses } from "../support/chainApp.ts"
import { eventsOf, play, ran, recoveries, stepOf, succeeded } from "../support/engine.ts"

const src = join(import.meta.dirname, "../../src")
const sources = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))

describe("a step is executed by one piece of code", () => {
  it("T32: jobs are called from one place, and that place is reached from one", () => {
    const having = (pattern: RegExp) => sources.filter((file) => pattern.test(readFileSync(join(src, file), "utf8")))
    assert.deepStrictEqual(having(/\bjob\.run\(/), ["actors/job/JobRunnerLive.ts"])
    assert.deepStrictEqual(having(/\bjobs\.execute\(/), ["actors/RunActor.ts"])
    assert.deepStrictEqual(having(/\bresultBytesMax\s*=/), ["actors/job/Results.ts"])
  })

  // What a job does wrong is judged alike when a user starts its run, when a retry repeats it, and in a recovery's run.
  const location = (ctx: JobContext) => ctx.files.writeText("lake", keyOf("base"), "the base")
  const faults: Readonly<Record<string, readonly [code: string, (ctx: JobContext) => Promise<unknown>]>> = {
    "a result over 256 KiB": ["result_too_large", async () => ({ text: "x".repeat(256 * 1024) })],
    "a payload over 64 KiB": [
      "result_too_large",
      async (ctx) => ({
        assets: [{ assetId: "base", payload: "x".repeat(64 * 1024 + 1), locations: [await location(ctx)] }]
      })
    ],
    "an undeclared asset": ["undeclared_asset", async () => ({ assets: [{ assetId: "other" }] })],
    "more than timeoutMs": ["timeout", () => new Promise(() => {})]
  }
  for (const [what, [code, misbehave]] of Object.entries(faults)) {
    it.live(`T32: ${what} fails with the same code in a user's run, in its retry, and in a recovery's run`, () => {
      let mood: "well" | "badly" | "badly later" = "badly"
      const base = defineJob({
        slug: "make-base",
        run: async (ctx) => {
          if (mood === "badly later" && ctx.attempt === 1) throw new Error("again")
          if (mood !== "well") return { result: (await misbehave(ctx)) as never }
          return { result: { assets: [{ assetId: "base", locations: [await location(ctx)] }] } }
        }
      })
      const retryPolicy = { maxAttempts: 2, strategy: "fixed", initialDelayMs: 5, jitter: "none" }
      const making = {
        ...stepFor("make-base"),
        retryPolicy,
        timeoutMs: 150,
        produces: [{ assetId: "base", recovery: { maxAttempts: 1 } }]
      }
      const workflows = {
        bases: { steps: [making] },
        users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
      }
      const lastCodeOf = (runId: string) =>
        Effect.map(
          eventsOf(`run-${runId}`, "StepFailed"),
          (events) => (events.at(-1)!.failure as { code: string }).code
        )
      return play({ jobs: [base, uses("base")], workflows }, (folder) =>
        Effect.gen(function* () {
          const engine = yield* Engine
          assert.strictEqual(yield* lastCodeOf((yield* ran("bases")).id), code, "in a user's run")
          mood = "badly later"
          const retried = yield* ran("bases")
          assert.strictEqual(yield* lastCodeOf(retried.id), code, "in a retry")
          assert.strictEqual(stepOf(retried, "make-base").attempt, 2)
          mood = "well"
          yield* succeeded("bases")
          rmSync(join(folder, "lake", keyOf("base")))
          mood = "badly"
          assert.strictEqual((yield* ran("users")).status, "failed")
          const [recovery] = yield* recoveries
          const producer = yield* engine.run(recovery!.producerRunId!)
          assert.strictEqual(producer.trigger.type, "recovery")
          assert.strictEqual(yield* lastCodeOf(producer.id), code, "in a recovery's run")
        })
      )
    })
  }
})
