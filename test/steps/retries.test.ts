import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { defineJob, PermanentFailure, TransientFailure } from "../../src/index.ts"
import { eventsOf, play, ran, stepOf, succeeded, typesOf } from "../support/engine.ts"

const step = (retryPolicy?: object) => ({
  id: "work",
  jobSlug: "work",
  ...(retryPolicy === undefined ? {} : { retryPolicy })
})
const failing = (error: () => unknown) =>
  defineJob({
    slug: "work",
    run: async () => {
      throw error()
    }
  })
const transient = failing(() => new TransientFailure("the instrument is busy"))
const one = (retryPolicy?: object) => ({ works: { steps: [step(retryPolicy)] } })

describe("retries", () => {
  it.live("F41 T10: by default three retries follow the first execution, and every try is an event", () =>
    play({ jobs: [transient], workflows: one({ initialDelayMs: 10 }) }, () =>
      Effect.gen(function* () {
        const run = yield* ran("works")
        assert.strictEqual(run.status, "failed")
        assert.strictEqual(stepOf(run, "work").attempt, 4)
        assert.deepStrictEqual(yield* typesOf(`run-${run.id}`), [
          "RunRequested",
          ...Array.from({ length: 3 }, () => ["StepStarted", "StepFailed", "StepRetryScheduled"]).flat(),
          "StepStarted",
          "StepFailed",
          "RunFailed"
        ])
        const retries = yield* eventsOf(`run-${run.id}`, "StepRetryScheduled")
        assert.deepStrictEqual(
          retries.map(({ reason, retry }) => [retry, reason]),
          [1, 2, 3].map((retry) => [retry, "transient: the instrument is busy"])
        )
      })
    )
  )

  it.live('T10: strategy "none" is one execution and no retry, whatever maxAttempts says', () =>
    play({ jobs: [transient], workflows: one({ strategy: "none", maxAttempts: 7 }) }, () =>
      Effect.gen(function* () {
        const run = yield* ran("works")
        assert.strictEqual(stepOf(run, "work").attempt, 1)
        assert.deepStrictEqual(yield* eventsOf("run", "StepRetryScheduled"), [])
      })
    )
  )

  it.live("F42 T11: the delays in the log grow as the policy says, stay below its cap, and are kept", () =>
    play(
      {
        jobs: [transient],
        workflows: {
          exact: {
            steps: [
              step({ maxAttempts: 6, strategy: "exponential", initialDelayMs: 10, maxDelayMs: 50, jitter: "none" })
            ]
          },
          full: { steps: [step({ maxAttempts: 6, initialDelayMs: 20, maxDelayMs: 60, jitter: "full" })] },
          equal: { steps: [step({ maxAttempts: 6, initialDelayMs: 20, maxDelayMs: 60, jitter: "equal" })] }
        }
      },
      () =>
        Effect.gen(function* () {
          const delays = Effect.fnUntraced(function* (workflow: string) {
            const run = yield* ran(workflow)
            const retries = yield* eventsOf(`run-${run.id}`, "StepRetryScheduled")
            const starts = yield* eventsOf(`run-${run.id}`, "StepStarted")
            retries.forEach(({ dueAt }, index) => {
              assert.isAtLeast(starts[index + 1]!.recordedAt, dueAt as number, "no try begins before it is due")
            })
            return retries.map(({ delayMs }) => delayMs as number)
          })
          assert.deepStrictEqual(yield* delays("exact"), [10, 20, 40, 50, 50])
          const full = [20, 40, 60, 60, 60]
          const drawn = yield* delays("full")
          for (const [index, delay] of drawn.entries()) assert.isTrue(delay >= 0 && delay <= full[index]!)
          const halved = yield* delays("equal")
          for (const [index, delay] of halved.entries()) {
            assert.isTrue(delay >= full[index]! / 2 && delay <= full[index]!)
          }
          assert.isAbove(new Set([...drawn, ...halved]).size, 3, "the jitter is drawn anew each time")
        })
    )
  )

  it.live("F43 F50 T12: the run fails with the step's own error, not with one about its dependants", () =>
    play(
      {
        jobs: [transient, defineJob({ slug: "after", run: async () => {} })],
        workflows: {
          works: {
            steps: [
              step({ maxAttempts: 2, initialDelayMs: 1, jitter: "none" }),
              { id: "after", jobSlug: "after", dependsOn: ["work"] }
            ]
          }
        }
      },
      () =>
        Effect.gen(function* () {
          const run = yield* ran("works")
          assert.strictEqual(run.status, "failed")
          assert.deepStrictEqual(run.failure, {
            class: "transient",
            code: "job_failed",
            message: "the instrument is busy",
            stepId: "work"
          })
          assert.strictEqual(stepOf(run, "after").status, "pending")
        })
    )
  )

  it.live("a permanent failure ends the step at once", () =>
    play({ jobs: [failing(() => new PermanentFailure("no such instrument"))], workflows: one() }, () =>
      Effect.gen(function* () {
        const run = yield* ran("works")
        assert.strictEqual(stepOf(run, "work").attempt, 1)
        assert.strictEqual(run.failure?.message, "no such instrument")
      })
    )
  )

  it.live("whatever a job throws is a transient failure that keeps what can be said of it", () =>
    Effect.forEach(
      ["just a text", 42, null, undefined, { code: "EWEIRD" }, new TypeError("not a function")],
      (thrown) =>
        play({ jobs: [failing(() => thrown)], workflows: one({ strategy: "none" }) }, () =>
          Effect.gen(function* () {
            const run = yield* ran("works")
            assert.strictEqual(run.failure?.class, "transient")
            assert.isNotEmpty(run.failure?.message)
            if (thrown === "just a text") assert.include(run.failure?.message, "just a text")
            if (thrown instanceof TypeError) assert.include(run.failure?.message, "not a function")
          })
        )
    )
  )

  it.live("a job may answer an Effect, and fail it with the typed errors", () => {
    let calls = 0
    const jobs = [
      defineJob({
        slug: "work",
        run: () =>
          Effect.gen(function* () {
            if (++calls === 1) return yield* Effect.fail(new TransientFailure("once"))
            yield* Effect.sleep("1 millis")
            return { result: { calls } }
          })
      })
    ]
    return play({ jobs, workflows: one({ initialDelayMs: 1 }) }, () =>
      Effect.gen(function* () {
        const run = yield* succeeded("works")
        assert.deepStrictEqual(stepOf(run, "work").result, { calls: 2 })
      })
    )
  })

  it.live('T22 F67: a result with status "failed" is retried and produces nothing', () => {
    let calls = 0
    const jobs = [
      defineJob({
        slug: "work",
        run: async (ctx) => {
          const location = await ctx.files.writeText("lake", "base.txt", `try ${++calls}`)
          const assets = [{ assetId: "base", locations: [location] }]
          return calls === 1 ? { status: "failed", error: "half of it", result: { assets } } : { result: { assets } }
        }
      })
    ]
    const workflows = { works: { steps: [{ ...step({ initialDelayMs: 1 }), produces: [{ assetId: "base" }] }] } }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        const run = yield* succeeded("works")
        const [failed] = yield* eventsOf(`run-${run.id}`, "StepFailed")
        assert.strictEqual((failed!.failure as { message: string }).message, "half of it")
        const produced = yield* eventsOf("asset", "AssetProduced")
        assert.deepStrictEqual(
          produced.map(({ attempt, generation }) => [generation, attempt]),
          [[1, 2]]
        )
      })
    )
  })
})
