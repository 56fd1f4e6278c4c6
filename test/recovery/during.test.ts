import { renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { defineJob } from "../../src/index.ts"
import { makes, stepFor, uses } from "../support/chainApp.ts"
import { ended, eventsOf, gate, play, recoveries, start, stepIs, stepOf, succeeded, until } from "../support/engine.ts"

const bases = { steps: [stepFor("make-base", { produces: ["base"] })] }
const users = { steps: [stepFor("use-base", { consumes: ["base"] })] }

describe("what is shown of a heal while it goes on", () => {
  it.live("F26: the waiting step names the recovery, the asset and since when; the state as it was can be read", () => {
    const door = gate()
    let made = 0
    const jobs = [
      makes("base", async () => {
        if (++made > 1) await door.pass()
        return "base"
      }),
      uses("base")
    ]
    return play({ jobs, workflows: { bases, users } }, (folder) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        yield* succeeded("bases", "p1")
        rmSync(join(folder, "lake", "base-p1.txt"))
        const { id } = yield* start("users", "p1")
        const waiting = yield* stepIs(id, "use-base", "waiting")
        const [recovery] = yield* until(recoveries, ([found]) => found?.status === "running", "running recovery")
        const { waitingFor } = stepOf(waiting, "use-base") as { waitingFor?: Record<string, unknown> }
        assert.deepInclude(waitingFor, {
          type: "recovery",
          recoveryId: recovery!.id,
          assetId: "base",
          partitionKey: "p1"
        })
        assert.deepStrictEqual(recovery!.waiters, [{ runId: id, stepId: "use-base" }])
        door.open()
        assert.strictEqual((yield* ended(id)).status, "succeeded")
        const [suspended] = yield* eventsOf(`run-${id}`, "StepSuspended")
        const then = yield* engine.run(id, suspended!.recordedAt)
        assert.isTrue(["waiting", "pending", "running"].includes(then.status))
        const healed = yield* engine.recovery(recovery!.id)
        assert.deepStrictEqual([healed.status, healed.generation], ["succeeded", 2])
      })
    )
  })

  it.live("a job that catches the miss itself and goes on has its way: nothing is healed behind its back (T27)", () => {
    const jobs = [
      makes("base"),
      defineJob({
        slug: "tolerant",
        run: async (ctx) => ({
          result: { text: await ctx.files.readText("lake", "base.txt").catch((error: Error) => error.name) }
        })
      })
    ]
    return play({ jobs, workflows: { bases, tolerants: { steps: [stepFor("tolerant")] } } }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        renameSync(join(folder, "lake", "base.txt"), join(folder, "lake", "elsewhere.txt"))
        const run = yield* succeeded("tolerants")
        assert.deepStrictEqual(stepOf(run, "tolerant").result, { text: "AssetMissing" })
        assert.deepStrictEqual(yield* recoveries, [])
      })
    )
  })

  it.live("an outage and a loss at once: the store comes back without the file, which is then healed once", () => {
    const jobs = [makes("base"), uses("base")]
    return play({ jobs, workflows: { bases, users } }, (folder) =>
      Effect.gen(function* () {
        const lake = join(folder, "lake")
        yield* succeeded("bases")
        renameSync(lake, `${lake}.away`)
        const ids: Array<string> = []
        for (let count = 0; count < 10; count++) ids.push((yield* start("users")).id)
        for (const id of ids) yield* stepIs(id, "use-base", "waiting")
        rmSync(join(`${lake}.away`, "base.txt"))
        renameSync(`${lake}.away`, lake)
        for (const id of ids) assert.strictEqual((yield* ended(id)).status, "succeeded")
        assert.deepStrictEqual(
          (yield* recoveries).map(({ attempts, via }) => [attempts, via]),
          [[1, "producer"]]
        )
      })
    )
  })

  it.live("F28: a waiter of a waiter is told when the recovery at the bottom fails", () => {
    let made = 0
    const jobs = [
      makes("base", () => {
        if (++made > 1) throw new Error("the instrument is broken")
        return "base"
      }),
      makes("view", async (ctx) => ctx.files.readText("lake", "base.txt")),
      uses("view")
    ]
    const workflows = {
      bases: {
        steps: [{ ...stepFor("make-base"), produces: [{ assetId: "base", recovery: { maxAttempts: 1 } }] }]
      },
      views: { steps: [stepFor("make-view", { consumes: ["base"], produces: ["view"] })] },
      users: { steps: [stepFor("use-view", { consumes: ["view"] })] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        yield* succeeded("views")
        for (const file of ["base.txt", "view.txt"]) rmSync(join(folder, "lake", file))
        const run = yield* ended((yield* start("users")).id)
        assert.strictEqual(run.status, "failed")
        assert.strictEqual(run.failure?.code, "budget_exhausted")
        assert.include(run.failure?.message, "the instrument is broken")
        assert.include(run.failure?.message, "base", "the ancestor is named")
        const view = (yield* recoveries).find(({ assetId }) => assetId === "view")!
        assert.strictEqual(view.rootCause?.assetId, "base")
        assert.strictEqual(view.attempts, 0, "nothing runs before its input is back")
      })
    )
  })
})
