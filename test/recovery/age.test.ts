import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { defineJob } from "../../src/index.ts"
import { keyOf, makes, readInput, stepFor } from "../support/chainApp.ts"
import { ended, eventsOf, play, ran, recoveries, stepOf, start, succeeded } from "../support/engine.ts"

const hourMs = 3_600_000

/** A producer whose data is `ages[n]` ms old at its n-th execution, the last one for ever after. */
const aged = (...ages: ReadonlyArray<number>) => {
  let calls = 0
  const job = defineJob({
    slug: "make-base",
    run: async (ctx) => {
      const age = ages[Math.min(calls, ages.length - 1)]!
      const location = await ctx.files.writeText("lake", "base.txt", "the same bytes every time")
      calls++
      return {
        result: {
          assets: [{ assetId: "base", locations: [location], producedAt: new Date(Date.now() - age).toISOString() }]
        }
      }
    }
  })
  return { job, calls: () => calls }
}
const uses = makes("top", (ctx) => readInput(ctx, "base"))
const top = (consumed: object, recovery: object = {}) => ({
  steps: [
    { ...stepFor("make-top"), consumes: [{ assetId: "base", ...consumed }], produces: [{ assetId: "top" }], recovery }
  ]
})
const bases = (produced: object = {}) => ({
  steps: [{ ...stepFor("make-base"), produces: [{ assetId: "base", ...produced }] }]
})

describe("an input that is too old", () => {
  it.live("F54 T20: is made again before the step starts, once for all who wait", () => {
    const { calls, job } = aged(2 * hourMs, 0)
    const workflows = { bases: bases(), tops: top({ maxAgeMs: hourMs }) }
    return play({ jobs: [job, uses], workflows }, () =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        const runs = yield* Effect.forEach(Array.from({ length: 5 }), () => start("tops"), { concurrency: 5 })
        for (const { id } of runs) assert.strictEqual((yield* ended(id)).status, "succeeded")
        assert.strictEqual(calls(), 2)
        const [recovery, ...more] = yield* recoveries
        assert.deepStrictEqual(more, [])
        assert.deepStrictEqual([recovery!.status, recovery!.via, recovery!.generation], ["succeeded", "producer", 2])
        const waits = yield* eventsOf("run", "StepSuspended")
        assert.isAtLeast(waits.length, 1)
        for (const { waitingFor } of waits) assert.strictEqual((waitingFor as { type: string }).type, "input")
        yield* succeeded("tops")
        assert.strictEqual(calls(), 2, "what is young enough is left alone")
      })
    )
  })

  it.live("F54: the producer's own maxAgeMs counts too, the smaller of both", () => {
    const { calls, job } = aged(2 * hourMs, 0)
    const workflows = { bases: bases({ freshness: { maxAgeMs: hourMs } }), tops: top({ maxAgeMs: 10 * hourMs }) }
    return play({ jobs: [job, uses], workflows }, () =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        yield* succeeded("tops")
        assert.strictEqual(calls(), 2)
      })
    )
  })

  it.live(
    "F54: data that is too old even when just made fails the step by name, and is not made again and again",
    () => {
      const { calls, job } = aged(3 * hourMs, 2 * hourMs)
      return play({ jobs: [job, uses], workflows: { bases: bases(), tops: top({ maxAgeMs: hourMs }) } }, () =>
        Effect.gen(function* () {
          yield* succeeded("bases")
          const { failure } = stepOf(yield* ran("tops"), "make-top")
          assert.deepInclude(failure, { class: "permanent", code: "input_too_old" })
          assert.match(
            failure?.message ?? "",
            /refuses base when older than 3600000 ms \(maxAgeMs\), and its data was \d+ ms/
          )
          assert.strictEqual(calls(), 2)
        })
      )
    }
  )

  it.live("F54: a producer that answers with data older than what there was fails the step by name", () => {
    const { calls, job } = aged(2 * hourMs, 3 * hourMs)
    return play({ jobs: [job, uses], workflows: { bases: bases(), tops: top({ maxAgeMs: hourMs }) } }, () =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        const { failure } = stepOf(yield* ran("tops"), "make-top")
        assert.strictEqual(failure?.code, "input_too_old")
        assert.match(failure?.message ?? "", /its data is older than what there was/)
        assert.strictEqual(calls(), 2)
      })
    )
  })

  it.live("F54: an age that is over before the step can start is refreshed once, not for ever", () => {
    const { calls, job } = aged(10, 0)
    return play({ jobs: [job, uses], workflows: { bases: bases(), tops: top({ maxAgeMs: 1 }) } }, () =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        const run = yield* ran("tops")
        assert.include(["succeeded", "failed"], run.status)
        if (run.status === "failed") assert.strictEqual(run.failure?.code, "input_too_old")
        assert.strictEqual(calls(), 2)
      })
    )
  })

  it.live("F40: is taken as it is where recovery is off, and where it is optional", () => {
    const { calls, job } = aged(2 * hourMs)
    const workflows = {
      bases: bases(),
      off: top({ maxAgeMs: hourMs }, { enabled: false }),
      optional: top({ maxAgeMs: hourMs, optional: true })
    }
    return play({ jobs: [job, uses], workflows }, () =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        yield* succeeded("off")
        yield* succeeded("optional")
        assert.strictEqual(calls(), 1)
        assert.deepStrictEqual(yield* recoveries, [])
      })
    )
  })

  it.live(
    "F54: a refresh that fails answers its waiters as a recovery does, and what is lost meanwhile is made as well",
    () => {
      let fails = false
      const job = defineJob({
        slug: "make-base",
        run: async (ctx) => {
          if (fails) throw new Error("the source is closed")
          const location = await ctx.files.writeText("lake", "base.txt", "bytes")
          return {
            result: {
              assets: [
                { assetId: "base", locations: [location], producedAt: new Date(Date.now() - 2 * hourMs).toISOString() }
              ]
            }
          }
        }
      })
      const declared = bases({ recovery: { maxAttempts: 1 } })
      const step = { ...declared.steps[0]!, retryPolicy: { strategy: "none" } }
      const workflows = {
        bases: { steps: [step] },
        tops: top({ maxAgeMs: hourMs }),
        again: top({ maxAgeMs: 4 * hourMs })
      }
      return play({ jobs: [job, uses], workflows }, (folder) =>
        Effect.gen(function* () {
          yield* succeeded("bases")
          fails = true
          const { failure } = stepOf(yield* ran("tops"), "make-top")
          assert.strictEqual(failure?.code, "budget_exhausted")
          assert.match(failure?.message ?? "", /the source is closed/)
          fails = false
          rmSync(join(folder, "lake", keyOf("base")))
          yield* succeeded("again")
          assert.deepStrictEqual((yield* recoveries).map(({ status }) => status).sort(), ["failed", "succeeded"])
        })
      )
    }
  )
})
