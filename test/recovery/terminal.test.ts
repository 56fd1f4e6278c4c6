import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { defineJob } from "../../src/index.ts"
import { keyOf, makes, readInput, stepFor, uses } from "../support/chainApp.ts"
import { ended, eventsOf, gate, play, ran, recoveries, start, succeeded, until } from "../support/engine.ts"

const users = { steps: [stepFor("use-base", { consumes: ["base"] })] }

describe("what cannot be healed fails fast, with the reason", () => {
  it.live(
    "F22 T2: an input that no workflow makes and nobody ever recorded fails with no_producer, and no run is started",
    () =>
      play({ jobs: [uses("base")], workflows: { users } }, () =>
        Effect.gen(function* () {
          const run = yield* ran("users")
          assert.strictEqual(run.status, "failed")
          assert.strictEqual(run.failure?.code, "no_producer")
          assert.strictEqual(run.failure?.asset?.assetId, "base")
          assert.strictEqual((yield* eventsOf("run", "RunRequested")).length, 1)
          assert.strictEqual((yield* recoveries)[0]!.reasonCode, "no_producer")
        })
      )
  )

  it.live("F22: a missing file that belongs to no asset fails with no_producer at once, naming the file", () => {
    const jobs = [
      defineJob({ slug: "peek", run: async (ctx) => void (await ctx.files.readText("inbox", "nobody.csv")) })
    ]
    return play({ jobs, workflows: { peeks: { steps: [stepFor("peek")] } } }, () =>
      Effect.gen(function* () {
        const run = yield* ran("peeks")
        assert.strictEqual(run.failure?.code, "no_producer")
        assert.include(run.failure?.message, "inbox/nobody.csv")
        assert.strictEqual(run.steps[0]!.attempt, 1)
      })
    )
  })

  it.live("F22: a chain whose leaf has no producer any more names the leaf as its root cause", () => {
    const jobs = [makes("leaf"), makes("base", (ctx) => readInput(ctx, "leaf")), uses("base")]
    const producing = (produces: ReadonlyArray<string>) => ({ steps: [stepFor("make-leaf", { produces })] })
    const workflows = {
      leaves: producing(["leaf"]),
      bases: { steps: [stepFor("make-base", { consumes: ["leaf"], produces: ["base"] })] },
      users
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        yield* succeeded("leaves")
        yield* succeeded("bases")
        // The leaf may not be made again: its healing is switched off.
        yield* engine.define(
          "leaves",
          { steps: [{ ...stepFor("make-leaf"), produces: [{ assetId: "leaf", recovery: { enabled: false } }] }] },
          "app"
        )
        rmSync(join(folder, "lake", keyOf("leaf")))
        rmSync(join(folder, "lake", keyOf("base")))
        const run = yield* ran("users")
        assert.strictEqual(run.failure?.code, "disabled")
        assert.strictEqual(run.failure?.asset?.assetId, "base")
        assert.include(run.failure?.message, "leaf")
        const [recovery] = yield* recoveries
        assert.strictEqual(recovery!.rootCause?.assetId, "leaf")
        assert.strictEqual(recovery!.attempts, 0)
      })
    )
  })

  it.live("F21 T2: two assets that are made from each other end in cycle, and nothing loops", () => {
    const jobs = [
      defineJob({
        slug: "make-left",
        run: async (ctx) => {
          const location = await ctx.files.writeText("lake", "left.txt", "left")
          if (ctx.parameters.first !== true) await readInput(ctx, "right")
          return { result: { assets: [{ assetId: "left", locations: [location] }] } }
        }
      }),
      makes("right", (ctx) => readInput(ctx, "left")),
      uses("right")
    ]
    const workflows = {
      lefts: { steps: [stepFor("make-left", { produces: ["left"] })] },
      rights: { steps: [stepFor("make-right", { consumes: ["left"], produces: ["right"] })] },
      users: { steps: [stepFor("use-right", { consumes: ["right"] })] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        yield* succeeded("lefts", undefined, { first: true })
        yield* succeeded("rights")
        yield* engine.define(
          "lefts",
          { steps: [stepFor("make-left", { consumes: ["right"], produces: ["left"] })] },
          "app"
        )
        yield* succeeded("lefts")
        rmSync(join(folder, "lake", "left.txt"))
        rmSync(join(folder, "lake", "right.txt"))
        const run = yield* ran("users")
        assert.strictEqual(run.status, "failed")
        assert.strictEqual(run.failure?.code, "cycle")
        assert.strictEqual((yield* recoveries).length, 1)
      })
    )
  })

  it.live("F21 T2: a producer's run that misses the very asset it is to make ends in cycle", () => {
    const jobs = [
      defineJob({
        slug: "make-base",
        run: async (ctx) => {
          const before = ctx.parameters.first === true ? "" : await ctx.files.readText("lake", "base.txt")
          const location = await ctx.files.writeText("lake", "base.txt", `${before}+`)
          return { result: { assets: [{ assetId: "base", locations: [location] }] } }
        }
      }),
      uses("base")
    ]
    const workflows = { bases: { steps: [stepFor("make-base", { produces: ["base"] })] }, users }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases", undefined, { first: true })
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const run = yield* ran("users")
        assert.strictEqual(run.status, "failed")
        assert.strictEqual(run.failure?.code, "cycle", JSON.stringify(run.failure))
        const producers = (yield* eventsOf("run", "RunRequested")).filter(
          ({ trigger }) => (trigger as { type: string }).type === "recovery"
        )
        assert.isAtMost(producers.length, 1)
      })
    )
  })

  it.live("T5 T34: an asset that vanishes again after each heal stops at the ceiling", () => {
    const jobs = [
      makes("base"),
      defineJob({
        slug: "use-base",
        run: async (ctx) => {
          await ctx.files.delete("lake", "base.txt")
          await ctx.files.readText("lake", "base.txt")
        }
      })
    ]
    const workflows = {
      bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
      users: { steps: [{ ...stepFor("use-base", { consumes: ["base"] }), recovery: { ceilingPerRun: 12 } }] }
    }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        const run = yield* ran("users")
        assert.strictEqual(run.failure?.code, "ceiling_reached")
        assert.strictEqual(
          (yield* eventsOf(`run-${run.id}`, "StepSuspended")).length,
          12,
          "12 wake-ups, none swallowed"
        )
        assert.strictEqual((yield* eventsOf(`run-${run.id}`, "StepResumed")).length, 12)
        const [failed] = yield* eventsOf(`run-${run.id}`, "RunFailed")
        assert.strictEqual((failed!.failure as { asset: { assetId: string } }).asset.assetId, "base")
      })
    )
  })

  it.live("T38 F31: a producer that ends well without writing anything is output_absent after one attempt", () => {
    let made = 0
    const jobs = [
      defineJob({
        slug: "make-base",
        run: async (ctx) => {
          if (++made > 1) return { result: { assets: [{ assetId: "base", locations: [] }] } }
          const location = await ctx.files.writeText("lake", "base.txt", "base")
          return { result: { assets: [{ assetId: "base", locations: [location] }] } }
        }
      }),
      uses("base")
    ]
    const workflows = { bases: { steps: [stepFor("make-base", { produces: ["base"] })] }, users }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const run = yield* ran("users")
        assert.strictEqual(run.failure?.code, "output_absent")
        assert.strictEqual(made, 2)
        assert.strictEqual((yield* recoveries)[0]!.attempts, 1)
      })
    )
  })

  it.live("T38: a producer that lists a file it never wrote is output_absent after one attempt", () => {
    let made = 0
    const jobs = [
      defineJob({
        slug: "make-base",
        run: async (ctx) => {
          const location = await ctx.files.writeText("lake", "base.txt", "base")
          if (++made > 1) rmSync(join(String(ctx.parameters.folder), "lake", "base.txt"))
          return { result: { assets: [{ assetId: "base", locations: [location] }] } }
        }
      }),
      uses("base")
    ]
    const workflows = { bases: { steps: [stepFor("make-base", { produces: ["base"] })] }, users }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases", undefined, { folder })
        rmSync(join(folder, "lake", "base.txt"))
        const run = yield* ran("users")
        assert.strictEqual(run.failure?.code, "output_absent")
        assert.strictEqual(made, 2)
        assert.strictEqual((yield* recoveries)[0]!.attempts, 1)
      })
    )
  })

  it.live("T38: a producer that ends well and declares no such asset is output_absent", () => {
    let made = 0
    const jobs = [
      defineJob({
        slug: "make-base",
        run: async (ctx) => {
          if (++made > 1) return
          const location = await ctx.files.writeText("lake", "base.txt", "base")
          return { result: { assets: [{ assetId: "base", locations: [location] }] } }
        }
      }),
      uses("base")
    ]
    const workflows = { bases: { steps: [stepFor("make-base", { produces: ["base"] })] }, users }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const run = yield* ran("users")
        assert.strictEqual(run.failure?.code, "output_absent")
        assert.strictEqual(made, 2)
      })
    )
  })

  it.live("an asset that declares itself not idempotent is not made again", () => {
    const jobs = [makes("base"), uses("base")]
    const workflows = {
      bases: { steps: [{ ...stepFor("make-base"), produces: [{ assetId: "base", recovery: { idempotent: false } }] }] },
      users
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("users")
        rmSync(join(folder, "lake", "base.txt"))
        const run = yield* ran("users")
        assert.strictEqual(run.failure?.code, "not_idempotent")
      })
    )
  })

  it.live("F30: a step waits no longer than its deadline, and its failure tells what it waited for and why", () => {
    const door = gate()
    let made = 0
    const jobs = [
      makes("base", async () => {
        if (++made > 1) await door.pass()
        return "base"
      }),
      defineJob({ slug: "use-base", run: async (ctx) => void (await ctx.files.readText("lake", "base.txt")) })
    ]
    const workflows = {
      bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
      users: { steps: [{ ...stepFor("use-base"), recovery: { deadlineMs: 150 } }] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const { id } = yield* start("users")
        const run = yield* ended(id)
        assert.strictEqual(run.failure?.code, "deadline_exceeded")
        const [recovery] = yield* recoveries
        assert.include(run.failure?.message, recovery!.id)
        assert.include(run.failure?.message, "base.txt", "the miss that it waited because of")
        assert.strictEqual(run.failure?.asset?.assetId, "base")
        door.open()
        yield* until(recoveries, ([found]) => found?.status === "succeeded", "recovery that ends its attempt")
      })
    )
  })
})
