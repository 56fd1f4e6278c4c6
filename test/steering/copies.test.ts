import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { RunSteering } from "../../src/actors/RunSteering.ts"
import { defineJob } from "../../src/index.ts"
import { makes, stepFor, uses } from "../support/chainApp.ts"
import { define, ended, play, ran, stepOf, succeeded } from "../support/engine.ts"

describe("a new run from an old one", () => {
  it.live(
    "F52: replay takes the same version and parameters, and is refused while an input is newer, unless it may",
    () => {
      const jobs = [makes("base", (ctx) => `base ${ctx.runId}`), uses("base")]
      const workflows = {
        bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
        users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
      }
      return play({ jobs, workflows }, () =>
        Effect.gen(function* () {
          const steering = yield* RunSteering
          yield* succeeded("bases")
          const run = yield* succeeded("users", undefined, { day: 1 })
          yield* define({ users: { ...workflows.users, description: "newer" } })
          const caller = { principal: "anna", commandId: "anna/replay/1", requestHash: "1" }
          const replayed = yield* steering.replay(run.id, false, caller)
          assert.notStrictEqual(replayed.run.id, run.id)
          assert.deepInclude(replayed.run, { version: 1, parameters: { day: 1 } })
          assert.deepStrictEqual(replayed.run.trigger, { type: "manual", replayOf: run.id })
          assert.strictEqual((yield* steering.replay(run.id, false, caller)).run.id, replayed.run.id)
          yield* ended(replayed.run.id)

          yield* succeeded("bases")
          const stale = yield* Effect.flip(steering.replay(run.id, false))
          assert.strictEqual(stale._tag, "StaleInputs")
          if (stale._tag !== "StaleInputs") return
          assert.deepStrictEqual(stale.inputs, [{ assetId: "base", partitionKey: "", recorded: 1, current: 2 }])
          const allowed = yield* steering.replay(run.id, true)
          assert.strictEqual((yield* ended(allowed.run.id)).status, "succeeded")
          const unknown = yield* Effect.flip(steering.replay("nobody", false))
          assert.deepInclude(unknown, { _tag: "NotFound", kind: "run" })
        })
      )
    }
  )

  it.live("F52: what a run made itself is no stale input of its replay", () => {
    const jobs = [makes("base"), uses("base")]
    const own = {
      steps: [
        stepFor("make-base", { produces: ["base"] }),
        { ...stepFor("use-base", { consumes: ["base"] }), dependsOn: ["make-base"] }
      ]
    }
    return play({ jobs, workflows: { own } }, () =>
      Effect.gen(function* () {
        const steering = yield* RunSteering
        const run = yield* succeeded("own")
        yield* succeeded("own")
        const { id } = (yield* steering.replay(run.id, false)).run
        assert.strictEqual((yield* ended(id)).status, "succeeded")
      })
    )
  })

  it.live(
    "F52: fork executes a step and what depends on it, and what never finished; the others keep their results",
    () => {
      const calls: Array<string> = []
      let broken = true
      const job = (slug: string) =>
        defineJob({
          slug,
          run: async (ctx) => {
            calls.push(slug)
            if (slug === "e" && broken) throw new Error("broken")
            return { result: { of: slug, saw: Object.keys(ctx.steps).sort() } }
          }
        })
      const once = { maxAttempts: 1, strategy: "none" }
      const step = (id: string, ...dependsOn: ReadonlyArray<string>) => ({
        ...stepFor(id, { retryPolicy: once }),
        dependsOn
      })
      const graph = { steps: [step("a"), step("b", "a"), step("c", "b"), step("d", "a"), step("e", "d")] }
      return play({ jobs: ["a", "b", "c", "d", "e"].map(job), workflows: { graph } }, () =>
        Effect.gen(function* () {
          const steering = yield* RunSteering
          const run = yield* ran("graph")
          assert.strictEqual(run.status, "failed")
          calls.length = 0
          broken = false
          const forked = yield* steering.fork(run.id, "b")
          assert.deepStrictEqual(forked.run.trigger, { type: "manual", forkOf: run.id, fromStep: "b" })
          const after = yield* ended(forked.run.id)
          assert.strictEqual(after.status, "succeeded")
          assert.deepStrictEqual(calls.sort(), ["b", "c", "e"])
          assert.strictEqual(stepOf(after, "d").status, "skipped")
          assert.deepStrictEqual(stepOf(after, "d").result, stepOf(run, "d").result)

          // A fork is replayed as the fork that it was.
          calls.length = 0
          const again = yield* steering.replay(forked.run.id, false)
          assert.strictEqual((yield* ended(again.run.id)).status, "succeeded")
          assert.deepStrictEqual(calls.sort(), ["b", "c", "e"])
          const unknown = yield* Effect.flip(steering.fork(run.id, "x"))
          assert.deepInclude(unknown, { _tag: "NotFound", kind: "step" })
        })
      )
    }
  )
})
