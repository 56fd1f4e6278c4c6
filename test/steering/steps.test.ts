import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { RunSteering } from "../../src/actors/RunSteering.ts"
import { defineJob, PermanentFailure, TransientFailure } from "../../src/index.ts"
import { stepFor } from "../support/chainApp.ts"
import { ended, eventsOf, gate, play, ran, start, stepIs, stepOf, typesOf, until } from "../support/engine.ts"

const done = defineJob({ slug: "done", run: async () => ({ result: { done: true } }) })
/** Fails until it is repaired. */
const breakable = (slug: string, failure: (attempt: number) => Error) => {
  let repaired = false
  let calls = 0
  const job = defineJob({
    slug,
    run: async (ctx) => {
      calls++
      if (!repaired) throw failure(ctx.attempt)
      return { result: { attempt: ctx.attempt } }
    }
  })
  return { job, calls: () => calls, repair: () => (repaired = true) }
}

describe("one step of a run", () => {
  it.live("F45: is retried in place with a fresh budget, and the run goes on with what it has", () => {
    const { job, repair } = breakable("load", () => new TransientFailure({ message: "busy" }))
    const workflows = {
      w: { steps: [stepFor("done"), { ...stepFor("load"), dependsOn: ["done"] }] }
    }
    return play({ jobs: [done, job], workflows }, () =>
      Effect.gen(function* () {
        const steering = yield* RunSteering
        const run = yield* ran("w")
        assert.strictEqual(stepOf(run, "load").attempt, 3)
        const again = yield* steering.retryStep(run.id, "load", { principal: "anna" })
        assert.strictEqual(again.run.failure, undefined)
        const second = yield* ended(run.id)
        assert.strictEqual(second.status, "failed")
        assert.strictEqual(stepOf(second, "load").attempt, 6, "three more: its budget was fresh")
        repair()
        const caller = { principal: "anna", commandId: "anna/retry/1", requestHash: "1" }
        yield* steering.retryStep(run.id, "load", caller)
        const third = yield* ended(run.id)
        assert.deepInclude(stepOf(third, "load"), { status: "succeeded", attempt: 7 })
        assert.strictEqual(stepOf(third, "done").attempt, 1)
        // The same command again: it was done, and is not refused although the status has changed.
        const repeated = yield* steering.retryStep(run.id, "load", caller)
        assert.strictEqual(repeated.run.status, "succeeded")
        const refused = yield* Effect.flip(steering.retryStep(run.id, "load"))
        assert.deepInclude(refused, { _tag: "IllegalTransition", command: "retry", status: "succeeded" })
      })
    )
  })

  it.live("F45: that waits for its retry begins at once", () => {
    const { job, repair } = breakable("load", () => new TransientFailure({ message: "busy" }))
    const far = { maxAttempts: 2, strategy: "fixed", initialDelayMs: 3_600_000, maxDelayMs: 3_600_000, jitter: "none" }
    return play({ jobs: [job], workflows: { w: { steps: [stepFor("load", { retryPolicy: far })] } } }, () =>
      Effect.gen(function* () {
        const steering = yield* RunSteering
        const { id } = yield* start("w")
        yield* stepIs(id, "load", "waiting")
        repair()
        yield* steering.retryStep(id, "load")
        assert.strictEqual((yield* ended(id)).status, "succeeded")
      })
    )
  })

  it.live("F45: is skipped with what stands in for its result; its attempt is interrupted", () => {
    const door = gate()
    let aborted = false
    const jobs = [
      defineJob({
        slug: "slow",
        run: (ctx) => {
          ctx.signal.addEventListener("abort", () => {
            aborted = true
          })
          return door.pass()
        }
      }),
      defineJob({ slug: "after", run: async (ctx) => ({ result: { saw: ctx.steps.slow ?? null } }) })
    ]
    const workflows = {
      w: {
        steps: [
          { ...stepFor("slow"), optional: true },
          { ...stepFor("after"), dependsOn: ["slow"] }
        ]
      }
    }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        const steering = yield* RunSteering
        const { id } = yield* start("w")
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "step in progress")
        const skip = { reason: "the supplier is gone", result: { rows: 0 } }
        yield* steering.skipStep(id, "slow", skip, { principal: "anna" })
        const run = yield* ended(id)
        assert.strictEqual(run.status, "succeeded")
        assert.isTrue(aborted)
        assert.deepInclude(stepOf(run, "slow"), { status: "skipped", result: { rows: 0 } })
        assert.deepStrictEqual(stepOf(run, "after").result, { saw: { rows: 0 } })
        const [event] = yield* eventsOf(`run-${id}`, "StepSkipped")
        assert.deepInclude(event, { reason: "the supplier is gone", result: { rows: 0 }, forced: false })
        door.open()
      })
    )
  })

  it.live("F45: that has failed is skipped by force only where it is not optional, and the run goes on", () => {
    const { job } = breakable("load", () => new PermanentFailure({ message: "no such table" }))
    const workflows = { w: { steps: [stepFor("load"), { ...stepFor("done"), dependsOn: ["load"] }] } }
    return play({ jobs: [done, job], workflows }, () =>
      Effect.gen(function* () {
        const steering = yield* RunSteering
        const { id } = yield* ran("w")
        const refused = yield* Effect.flip(steering.skipStep(id, "load", { reason: "later" }))
        assert.deepInclude(refused, { _tag: "NotOptional", stepId: "load" })
        const large = yield* Effect.flip(
          steering.skipStep(id, "load", { reason: "later", force: true, result: "x".repeat(256 * 1024) })
        )
        assert.deepInclude(large, { _tag: "InvalidInput" })
        yield* steering.skipStep(id, "load", { reason: "later", force: true })
        assert.strictEqual((yield* ended(id)).status, "succeeded")
        assert.include(yield* typesOf(`run-${id}`), "RunRecovered")
        const unknown = yield* Effect.flip(steering.skipStep(id, "load[7]", { reason: "no such child" }))
        assert.deepInclude(unknown, { _tag: "NotFound", kind: "step" })
      })
    )
  })

  it.live("F45: a child of a fan-out is retried or skipped alone", () => {
    const broken = new Set(["b", "c"])
    const work = defineJob({
      slug: "work",
      run: async (ctx) => {
        const { item } = ctx.parameters as { readonly item: string }
        if (broken.has(item)) throw new PermanentFailure({ message: `no ${item}` })
        return { result: { item } }
      }
    })
    const fan = {
      ...{ id: "f", type: "fanOut", over: "{{ parameters.items }}", optional: true },
      step: { jobSlug: "work", parameters: { item: "{{ item }}" } }
    }
    return play({ jobs: [work], workflows: { w: { steps: [fan] } } }, () =>
      Effect.gen(function* () {
        const steering = yield* RunSteering
        const run = yield* ran("w", undefined, { items: ["a", "b", "c"] })
        assert.strictEqual(run.status, "failed")
        yield* steering.skipStep(run.id, "f[2]", { reason: "no c any more", result: { item: null } })
        assert.strictEqual((yield* (yield* Engine).run(run.id)).status, "failed", "the other child has failed too")
        broken.clear()
        yield* steering.retryStep(run.id, "f[1]")
        const after = yield* ended(run.id)
        assert.strictEqual(after.status, "succeeded")
        assert.deepStrictEqual(stepOf(after, "f").result, [{ item: "a" }, { item: "b" }, { item: null }])
        assert.strictEqual(stepOf(after, "f[0]").attempt, 1)
      })
    )
  })

  it.live("a run that goes on has its run key again; while another run has it, it cannot (F51)", () => {
    const { job, repair } = breakable("load", () => new PermanentFailure({ message: "broken" }))
    return play({ jobs: [job], workflows: { w: { steps: [stepFor("load")] } } }, () =>
      Effect.gen(function* () {
        const engine = yield* Engine
        const steering = yield* RunSteering
        const first = (yield* engine.startRun({ workflow: "w", runKey: "k" })).run
        yield* ended(first.id)
        repair()
        const second = (yield* engine.startRun({ workflow: "w", runKey: "k" })).run
        assert.notStrictEqual(second.id, first.id)
        yield* ended(second.id)
        // A refused command takes no key.
        yield* Effect.flip(steering.skipStep(first.id, "load", { reason: "x" }))
        yield* steering.retryStep(first.id, "load")
        assert.strictEqual((yield* ended(first.id)).status, "succeeded")
        const third = (yield* engine.startRun({ workflow: "w", runKey: "k" })).run
        assert.notStrictEqual(third.id, first.id)
        yield* ended(third.id)
      })
    )
  })
})
