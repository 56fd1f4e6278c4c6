import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { AssetReads } from "../../src/actors/AssetReads.ts"
import { Engine } from "../../src/actors/Engine.ts"
import { RunSteering } from "../../src/actors/RunSteering.ts"
import { defineJob } from "../../src/index.ts"
import { makes, stepFor } from "../support/chainApp.ts"
import { ended, eventsOf, gate, play, start, stepOf, succeeded, until } from "../support/engine.ts"

const first = defineJob({ slug: "first", run: async () => ({ result: { ran: true } }) })

describe("a run is restored", () => {
  it.live("F46: in place to any checkpoint: what came later is done again, and makes new generations", () => {
    const keys: Array<string> = []
    const make = makes("a", (ctx) => {
      keys.push(ctx.idempotencyKey)
      return `a ${ctx.attempt}`
    })
    const workflows = {
      w: { steps: [stepFor("first"), { ...stepFor("make-a", { produces: ["a"] }), dependsOn: ["first"] }] }
    }
    return play({ jobs: [first, make], workflows }, () =>
      Effect.gen(function* () {
        const steering = yield* RunSteering
        const run = yield* succeeded("w")
        const points = yield* steering.checkpoints(run.id)
        assert.deepStrictEqual(
          points.map(({ checkpoint, stepId }) => ({ checkpoint, stepId })),
          [
            { checkpoint: 1, stepId: "first" },
            { checkpoint: 2, stepId: "make-a" }
          ]
        )
        const before = yield* (yield* Engine).run(run.id, points[0]!.position)
        assert.strictEqual(stepOf(before, "first").status, "succeeded")
        assert.strictEqual(stepOf(before, "make-a").status, "pending")

        const caller = { principal: "anna", commandId: "anna/restore/1", requestHash: "1" }
        yield* steering.restore(run.id, 1, caller)
        const again = yield* ended(run.id)
        yield* steering.restore(run.id, 1, caller)
        assert.strictEqual(again.status, "succeeded")
        assert.strictEqual(stepOf(again, "first").attempt, 1)
        assert.deepInclude(stepOf(again, "make-a"), { status: "succeeded", attempt: 2 })
        assert.strictEqual(stepOf(again, "make-a").producedAssets[0]!.generation, 2)
        assert.lengthOf(new Set(keys), 2, "what is done again is no repetition of what was done")
        const events = yield* eventsOf(`run-${run.id}`, "RunRestored")
        assert.lengthOf(events, 1)
        assert.deepInclude(events[0], { checkpoint: 1, superseded: [{ stepId: "make-a", attempt: 1 }] })
        assert.deepStrictEqual(
          (yield* steering.checkpoints(run.id)).map(({ checkpoint }) => checkpoint),
          [1, 3]
        )
        const unknown = yield* Effect.flip(steering.restore(run.id, 2))
        assert.deepInclude(unknown, { _tag: "NotFound", kind: "checkpoint", id: "2" })
      })
    )
  })

  it.live("F46: the asset keeps the generation, and tells that its execution was superseded", () => {
    const workflows = {
      w: { steps: [stepFor("first"), { ...stepFor("make-a", { produces: ["a"] }), dependsOn: ["first"] }] }
    }
    return play({ jobs: [first, makes("a", (ctx) => `a ${ctx.attempt}`)], workflows }, () =>
      Effect.gen(function* () {
        const steering = yield* RunSteering
        const reads = yield* AssetReads
        const run = yield* succeeded("w")
        const supersededOf = Effect.fnUntraced(function* (generation: number) {
          const found = yield* reads.generation({ assetId: "a", partitionKey: "" }, generation)
          return (yield* reads.supersededAt(found === null ? [] : [found]))[0]
        })
        assert.isNull(yield* supersededOf(1))
        yield* steering.restore(run.id, 1)
        yield* ended(run.id)
        assert.isNumber(yield* supersededOf(1))
        assert.isNull(yield* supersededOf(2))
      })
    )
  })

  it.live("F46: while it runs: attempts under way are interrupted first", () => {
    const door = gate()
    let aborted = 0
    const slow = defineJob({
      slug: "slow",
      run: (ctx) => {
        ctx.signal.addEventListener("abort", () => aborted++)
        return ctx.attempt === 1 ? door.pass() : undefined
      }
    })
    const workflows = { w: { steps: [stepFor("first"), { ...stepFor("slow"), dependsOn: ["first"] }] } }
    return play({ jobs: [first, slow], workflows }, () =>
      Effect.gen(function* () {
        const steering = yield* RunSteering
        const { id } = yield* start("w")
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "step in progress")
        yield* steering.restore(id, 1)
        const run = yield* ended(id)
        assert.strictEqual(run.status, "succeeded")
        assert.deepInclude(stepOf(run, "slow"), { attempt: 2 })
        assert.strictEqual(aborted, 1)
        door.open()
      })
    )
  })
})
