import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { defineJob } from "../../src/index.ts"
import { makeChain, makes, stepFor, uses } from "../support/chainApp.ts"
import { ended, eventsOf, gate, play, recoveries, start, stepOf, succeeded, typesOf, until } from "../support/engine.ts"

const healed = [
  "RecoveryRequested",
  "RecoveryWaiterJoined",
  "RecoveryPlanned",
  "RecoveryScheduled",
  "RecoveryAttemptStarted",
  "RecoveryProducerEnded",
  "RecoverySucceeded",
  "RecoveryWaitersReleased"
]

describe("a lost file heals itself", () => {
  it.live("F88: a deleted input is made again by its producer, and the step goes on where it stood", () => {
    const chain = makeChain()
    return play(chain, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("acquisition", "p1")
        rmSync(join(folder, "inbox", "raw_p1.csv"))
        yield* succeeded("ingest", "p1")
        assert.deepStrictEqual(chain.calls, ["acquire[p1]", "acquire[p1]", "clean[p1]", "load[p1]"])
        assert.deepStrictEqual(yield* typesOf("recovery"), healed)
      })
    )
  })

  it.live("F88: an inbox file that is deleted while the step runs is made again, and the same step goes on", () => {
    const door = gate()
    const jobs = [
      defineJob({
        slug: "drop",
        run: async (ctx) => {
          const location = await ctx.files.writeText("inbox", "orders.csv", "a,b\n1,2\n")
          return { result: { assets: [{ assetId: "orders.csv", locations: [location] }] } }
        }
      }),
      defineJob({ slug: "prepare", run: async () => ({ result: { prepared: true } }) }),
      defineJob({
        slug: "load",
        run: async (ctx) => {
          await door.pass()
          return { result: { text: await ctx.files.readText("inbox", "orders.csv"), attempt: ctx.attempt } }
        }
      })
    ]
    const workflows = {
      inbox: { steps: [stepFor("drop", { produces: ["orders.csv"] })] },
      orders: { steps: [stepFor("prepare"), { ...stepFor("load"), dependsOn: ["prepare"] }] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("inbox")
        const run = yield* start("orders")
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "step in progress")
        rmSync(join(folder, "inbox", "orders.csv"))
        door.open()
        const done = yield* ended(run.id)
        assert.strictEqual(done.status, "succeeded", JSON.stringify(done, null, 1))
        assert.deepStrictEqual(stepOf(done, "load").result, { text: "a,b\n1,2\n", attempt: 2 })
        assert.strictEqual(stepOf(done, "prepare").attempt, 1, "a finished step does not run again")
        assert.deepStrictEqual(yield* typesOf(`run-${run.id}`), [
          "RunRequested",
          "StepStarted",
          "StepSucceeded",
          "StepStarted",
          "StepFailed",
          "StepSuspended",
          "StepResumed",
          "StepStarted",
          "StepSucceeded",
          "RunSucceeded"
        ])
        assert.deepStrictEqual(yield* eventsOf("run", "StepRetryScheduled"), [], "a miss costs no retry")
      })
    )
  })

  it.live("F92 T28: a depth-4 chain with everything but the source gone heals with each producer run once", () => {
    const chain = makeChain()
    return play(chain, (folder) =>
      Effect.gen(function* () {
        for (const workflow of ["acquisition", "ingest", "publish"]) yield* succeeded(workflow, "p1")
        chain.calls.length = 0
        for (const file of ["inbox/raw_p1.csv", "lake/cleaned/p1.txt", "lake/table/p1.txt", "lake/figure/p1.txt"]) {
          rmSync(join(folder, file))
        }
        yield* succeeded("publish", "p1")
        assert.deepStrictEqual(chain.calls, ["acquire[p1]", "clean[p1]", "load[p1]", "plot[p1]"])
      })
    )
  })

  it.live("an asset that was never produced is made once before its consumer starts (generation 0)", () => {
    const calls: Array<unknown> = []
    const jobs = [
      makes("base", (ctx) => {
        calls.push(ctx.parameters)
        return "the base"
      }),
      uses("base")
    ]
    const workflows = {
      bases: { defaultParameters: { depth: 3 }, steps: [stepFor("make-base", { produces: ["base"] })] },
      users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
    }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        const run = yield* succeeded("users", undefined, { depth: 99 })
        assert.deepStrictEqual(calls, [{ depth: 3 }], "with the defaults of its own workflow (F33)")
        const [suspended] = yield* eventsOf(`run-${run.id}`, "StepSuspended")
        assert.deepStrictEqual((suspended!.waitingFor as { type: string }).type, "input")
        const [recovery] = yield* recoveries
        assert.strictEqual(recovery!.lostGeneration, 0)
        assert.strictEqual(recovery!.class, "recheck")
        assert.strictEqual(stepOf(run, "use-base").attempt, 1, "the step began only when its input was there")
      })
    )
  })
})
