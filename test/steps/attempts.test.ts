import { existsSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { defineJob } from "../../src/index.ts"
import { stepFor } from "../support/chainApp.ts"
import { ended, eventsOf, gate, play, ran, start, stepOf, succeeded, until } from "../support/engine.ts"

describe("one attempt", () => {
  it.live("that takes longer than timeoutMs is cut off, its signal aborted, and its later writes refused", () => {
    const refused: Array<string> = []
    let aborted = 0
    const jobs = [
      defineJob({
        slug: "slow",
        run: async (ctx) => {
          if (ctx.attempt === 2) return { result: { attempt: 2 } }
          ctx.signal.addEventListener("abort", () => aborted++)
          await delay(150)
          await ctx.files.writeText("lake", "late.txt", "late").catch((error: Error) => refused.push(error.name))
          return { result: { attempt: 1 } }
        }
      })
    ]
    return play({ jobs, workflows: { slows: { steps: [{ ...stepFor("slow"), timeoutMs: 50 }] } } }, (folder) =>
      Effect.gen(function* () {
        const run = yield* succeeded("slows")
        assert.deepStrictEqual(stepOf(run, "slow").result, { attempt: 2 })
        const [failed] = yield* eventsOf(`run-${run.id}`, "StepFailed")
        assert.deepInclude(failed!.failure, { class: "transient", code: "timeout" })
        assert.strictEqual(aborted, 1)
        yield* until(
          Effect.sync(() => refused.length),
          (count) => count === 1,
          "refused write"
        )
        assert.deepStrictEqual(refused, ["PermanentFailure"])
        assert.isFalse(existsSync(join(folder, "lake", "late.txt")))
      })
    )
  })

  it.live("that gives no heartbeat for heartbeatTimeoutMs is cut off; one that does goes on", () => {
    const jobs = [
      defineJob({
        slug: "silent",
        run: async (ctx) => {
          if (ctx.attempt === 1) await delay(500)
        }
      }),
      defineJob({
        slug: "alive",
        run: async (ctx) => {
          for (let count = 0; count < 6; count++) {
            await delay(40)
            ctx.heartbeat({ count })
          }
        }
      })
    ]
    const beating = { heartbeatTimeoutMs: 150 }
    const workflows = {
      silents: { steps: [{ ...stepFor("silent"), ...beating }] },
      alives: { steps: [{ ...stepFor("alive"), ...beating }] }
    }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        const run = yield* succeeded("silents")
        assert.strictEqual(stepOf(run, "silent").attempt, 2)
        const [failed] = yield* eventsOf(`run-${run.id}`, "StepFailed")
        assert.strictEqual((failed!.failure as { code: string }).code, "heartbeat_timeout")
        assert.strictEqual(stepOf(yield* succeeded("alives"), "alive").attempt, 1)
      })
    )
  })

  it.live("is aborted when its run is canceled, whether it is a Promise or an Effect", () => {
    const door = gate()
    let aborted = 0
    let interrupted = 0
    const jobs = [
      defineJob({
        slug: "promise",
        run: async (ctx) => {
          ctx.signal.addEventListener("abort", () => aborted++)
          await door.pass()
          await ctx.files.writeText("lake", "late.txt", "late")
        }
      }),
      defineJob({
        slug: "effect",
        run: () =>
          Effect.promise(() => door.pass()).pipe(
            Effect.onInterrupt(() => Effect.sync(() => interrupted++)),
            Effect.asVoid
          )
      })
    ]
    const workflows = { both: { steps: [stepFor("promise"), stepFor("effect")] } }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        const { id } = yield* start("both")
        yield* until(Effect.sync(door.arrived), (count) => count === 2, "two executing steps")
        const { run } = yield* engine.cancelRun(id, "no longer wanted")
        assert.strictEqual(run.status, "canceled")
        yield* until(
          Effect.sync(() => aborted + interrupted),
          (count) => count === 2,
          "two aborted steps"
        )
        door.open()
        const again = yield* Effect.flip(engine.cancelRun(id, "twice"))
        assert.strictEqual(again._tag, "IllegalTransition")
        assert.isFalse(existsSync(join(folder, "lake", "late.txt")))
        assert.strictEqual((yield* engine.gauges).executing, 0, "the slots are free again")
      })
    )
  })

  it.live("knows its run, its attempt and a key that stays the same for each attempt", () => {
    const seen: Array<unknown> = []
    const jobs = [
      defineJob({
        slug: "look",
        run: async (ctx) => {
          seen.push([ctx.runId, ctx.workflowSlug, ctx.stepId, ctx.attempt, ctx.partitionKey, ctx.idempotencyKey])
          if (ctx.attempt === 1) throw new Error("again")
        }
      })
    ]
    return play({ jobs, workflows: { looks: { steps: [stepFor("look")] } } }, () =>
      Effect.gen(function* () {
        const { id } = yield* succeeded("looks", "p1")
        const [first, second] = seen as Array<Array<unknown>>
        assert.deepStrictEqual(first!.slice(0, 5), [id, "looks", "look", 1, "p1"])
        assert.strictEqual(second![3], 2)
        assert.strictEqual(first![5], second![5])
      })
    )
  })

  it.live("gets its parameters merged and filled in, and the results of the steps before it (F68)", () => {
    const seen: Array<unknown> = []
    const jobs = [
      defineJob({ slug: "first", run: async () => ({ result: { rows: 3, tags: ["a", "b"] } }) }),
      defineJob({
        slug: "second",
        run: async (ctx) => {
          seen.push(ctx.parameters, ctx.steps)
        }
      })
    ]
    const workflows = {
      pairs: {
        defaultParameters: { region: "north", depth: 1 },
        steps: [
          stepFor("first"),
          {
            ...stepFor("second"),
            dependsOn: ["first"],
            parameters: {
              rows: "{{ steps.first.result.rows }}",
              day: "day {{ run.partitionKey }}",
              tags: "{{ steps.first.result.tags }}"
            }
          }
        ]
      }
    }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        yield* succeeded("pairs", "p1", { depth: 2 })
        assert.deepStrictEqual(seen, [
          { region: "north", depth: 2, rows: 3, day: "day p1", tags: ["a", "b"] },
          { first: { rows: 3, tags: ["a", "b"] } }
        ])
      })
    )
  })

  it.live("with a template that leads nowhere fails at once, naming it, and the job is not called", () => {
    let calls = 0
    const jobs = [
      defineJob({ slug: "first", run: async () => ({ result: { rows: 3 } }) }),
      defineJob({
        slug: "work",
        run: async () => {
          calls++
        }
      })
    ]
    const work = { ...stepFor("work"), dependsOn: ["first"], parameters: { day: "{{ steps.first.result.day }}" } }
    return play({ jobs, workflows: { works: { steps: [stepFor("first"), work] } } }, () =>
      Effect.gen(function* () {
        const run = yield* ran("works")
        assert.strictEqual(run.failure?.code, "template_unresolved")
        assert.include(run.failure?.message, "steps.first.result.day")
        assert.strictEqual(stepOf(run, "work").attempt, 1)
        assert.strictEqual(calls, 0)
      })
    )
  })
})

describe("what a job answers", () => {
  const answering = (answer: unknown, produces: ReadonlyArray<string> = []) =>
    play(
      {
        jobs: [defineJob({ slug: "work", run: async () => answer as undefined })],
        workflows: { works: { steps: [stepFor("work", { produces })] } }
      },
      () => ran("works")
    )

  it.live("an asset that the step does not declare fails it with undeclared_asset", () =>
    Effect.map(answering({ result: { assets: [{ assetId: "stray" }] } }, ["base"]), (run) => {
      assert.strictEqual(run.failure?.code, "undeclared_asset")
      assert.strictEqual(run.failure?.class, "permanent")
      assert.include(run.failure?.message, "stray")
    })
  )

  it.live("a result above 256 KiB and a payload above 64 KiB fail with result_too_large", () =>
    Effect.gen(function* () {
      const tooLong = yield* answering({ result: { text: "x".repeat(256 * 1024) } })
      assert.strictEqual(tooLong.failure?.code, "result_too_large")
      const heavy = { result: { assets: [{ assetId: "base", payload: "x".repeat(64 * 1024) }] } }
      assert.strictEqual((yield* answering(heavy, ["base"])).failure?.code, "result_too_large")
      const fits = yield* answering({ result: { text: "x".repeat(255 * 1024) } })
      assert.strictEqual(fits.status, "succeeded")
    })
  )

  it.live("what is no result fails at once, and says what was expected", () =>
    Effect.gen(function* () {
      const cyclic: Record<string, unknown> = {}
      cyclic.self = cyclic
      for (const answer of ["text", 7, [], { status: "maybe" }, { result: cyclic }, { result: { assets: "base" } }]) {
        const run = yield* answering(answer)
        assert.strictEqual(run.failure?.code, "invalid_result", JSON.stringify(run.failure))
        assert.strictEqual(stepOf(run, "work").attempt, 1)
      }
      assert.strictEqual((yield* answering(undefined)).status, "succeeded")
    })
  )

  it.live(
    "writes that it does not list belong to its only asset; with several assets they are reported as unowned",
    () => {
      const jobs = [
        defineJob({
          slug: "one",
          run: async (ctx) => {
            await ctx.files.writeText("lake", "loose.txt", "loose")
            return { result: { assets: [{ assetId: "single" }] } }
          }
        }),
        defineJob({
          slug: "two",
          run: async (ctx) => {
            await ctx.files.writeText("lake", "stray.txt", "stray")
            return { result: { assets: [{ assetId: "left" }, { assetId: "right" }] } }
          }
        })
      ]
      const workflows = {
        ones: { steps: [stepFor("one", { produces: ["single"] })] },
        twos: { steps: [stepFor("two", { produces: ["left", "right"] })] }
      }
      return play({ jobs, workflows }, () =>
        Effect.gen(function* () {
          const one = yield* succeeded("ones")
          assert.deepStrictEqual(
            stepOf(one, "one").producedAssets[0]!.locations.map(({ key }) => key),
            ["loose.txt"]
          )
          const two = yield* succeeded("twos")
          const [succeededStep] = yield* eventsOf(`run-${two.id}`, "StepSucceeded")
          assert.deepStrictEqual(succeededStep!.unowned, ["lake/stray.txt"])
        })
      )
    }
  )

  it.live("F65 T21: an omitted partition key is the run's", () => {
    const jobs = [defineJob({ slug: "work", run: async () => ({ result: { assets: [{ assetId: "base" }] } }) })]
    return play({ jobs, workflows: { works: { steps: [stepFor("work", { produces: ["base"] })] } } }, () =>
      Effect.gen(function* () {
        const run = yield* ended((yield* start("works", "p7")).id)
        assert.strictEqual(stepOf(run, "work").producedAssets[0]!.partitionKey, "p7")
      })
    )
  })
})
