import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { AssetMissing, defineJob, PermanentFailure, TransientFailure } from "../../src/index.ts"
import { makes, readInput, stepFor, uses } from "../support/chainApp.ts"
import {
  define,
  ended,
  eventsOf,
  gate,
  play,
  ran,
  recoveries,
  start,
  stepIs,
  stepOf,
  succeeded,
  temporaryFolder,
  until
} from "../support/engine.ts"
import { boot } from "./process.ts"
import { rot } from "./rot.ts"

const bases = { steps: [stepFor("make-base", { produces: ["base"] })] }
const users = { steps: [stepFor("use-base", { consumes: ["base"] })] }

describe("assets of every shape", () => {
  it.live("an asset of several files is healed when one of them is lost", () => {
    const jobs = [
      defineJob({
        slug: "make-base",
        run: async (ctx) => {
          const locations = []
          for (const name of ["a", "b", "c"]) locations.push(await ctx.files.writeText("lake", `base/${name}`, name))
          return { result: { assets: [{ assetId: "base", locations }] } }
        }
      }),
      defineJob({
        slug: "use-base",
        run: async (ctx) => {
          const texts = await Promise.all(
            ctx.inputs.base!.locations.map(({ key, store }) => ctx.files.readText(store, key))
          )
          return { result: { text: texts.join("") } }
        }
      })
    ]
    return play({ jobs, workflows: { bases, users } }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base", "b"))
        assert.deepStrictEqual(stepOf(yield* succeeded("users"), "use-base").result, { text: "abc" })
        assert.strictEqual((yield* recoveries).length, 1)
      })
    )
  })

  it.live("a file that an asset lists and another asset's step wrote is healed by that step", () => {
    const calls: Array<string> = []
    const jobs = [
      makes("base", () => {
        calls.push("base")
        return "base"
      }),
      defineJob({
        slug: "make-catalog",
        run: async (ctx) => {
          calls.push("catalog")
          return { result: { assets: [{ assetId: "catalog", locations: ctx.inputs.base!.locations }] } }
        }
      }),
      uses("catalog")
    ]
    const workflows = {
      bases,
      catalogs: { steps: [stepFor("make-catalog", { consumes: ["base"], produces: ["catalog"] })] },
      users: { steps: [stepFor("use-catalog", { consumes: ["catalog"] })] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        yield* succeeded("catalogs")
        rmSync(join(folder, "lake", "base.txt"))
        calls.length = 0
        const run = yield* succeeded("users")
        assert.deepStrictEqual(stepOf(run, "use-catalog").result, { text: "base" })
        assert.strictEqual(calls.filter((call) => call === "base").length, 1)
      })
    )
  })

  it.live("an asset without files is lost when a job says so, and is there again when it has been made", () => {
    let version = 0
    const jobs = [
      defineJob({
        slug: "make-flag",
        run: async () => ({ result: { assets: [{ assetId: "flag", payload: { version: ++version } }] } })
      }),
      defineJob({
        slug: "use-flag",
        run: async (ctx) => {
          const { version: seen } = ctx.inputs.flag!.payload as { version: number }
          if (seen < 2) throw new AssetMissing({ assetId: "flag" })
          return { result: { seen } }
        }
      })
    ]
    const workflows = {
      flags: { steps: [stepFor("make-flag", { produces: ["flag"] })] },
      users: { steps: [stepFor("use-flag", { consumes: ["flag"] })] }
    }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        yield* succeeded("flags")
        const run = yield* succeeded("users")
        assert.deepStrictEqual(stepOf(run, "use-flag").result, { seen: 2 })
        assert.strictEqual((yield* recoveries)[0]!.via, "producer")
      })
    )
  })

  it.live("T34: a job that says for ever that an asset is gone stops at the ceiling", () => {
    const jobs = [
      defineJob({ slug: "make-flag", run: async () => ({ result: { assets: [{ assetId: "flag", payload: 1 }] } }) }),
      defineJob({
        slug: "use-flag",
        run: async () => {
          throw new AssetMissing({ assetId: "flag" })
        }
      })
    ]
    const workflows = {
      flags: { steps: [stepFor("make-flag", { produces: ["flag"] })] },
      users: { steps: [{ ...stepFor("use-flag", { consumes: ["flag"] }), recovery: { ceilingPerRun: 2 } }] }
    }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        yield* succeeded("flags")
        const run = yield* ran("users")
        assert.strictEqual(run.failure?.code, "ceiling_reached")
      })
    )
  })

  it.live("asset ids are compared without case, wherever they are written", () => {
    const jobs = [
      makes("base"),
      defineJob({ slug: "use", run: async (ctx) => ({ result: Object.keys(ctx.inputs) as never }) })
    ]
    const workflows = { bases, users: { steps: [stepFor("use", { consumes: ["BASE"] })] } }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const run = yield* succeeded("users")
        assert.deepStrictEqual(stepOf(run, "use").result, ["BASE"])
        assert.strictEqual((yield* recoveries).length, 1)
      })
    )
  })

  it.live("a producer whose own input turns out to be corrupt waits for that first", () => {
    const calls: Array<string> = []
    const jobs = [
      makes("base", () => {
        calls.push("base")
        return "good bytes"
      }),
      makes("view", async (ctx) => {
        const text = await readInput(ctx, "base")
        calls.push("view")
        return `view of ${text}`
      }),
      uses("view")
    ]
    const workflows = {
      bases,
      views: { steps: [stepFor("make-view", { consumes: ["base"], produces: ["view"] })] },
      users: { steps: [stepFor("use-view", { consumes: ["view"] })] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        yield* succeeded("views")
        rot(join(folder, "lake", "base.txt"), "bad bytes!")
        rmSync(join(folder, "lake", "view.txt"))
        calls.length = 0
        const run = yield* succeeded("users")
        assert.deepStrictEqual(stepOf(run, "use-view").result, { text: "view of good bytes" })
        assert.deepStrictEqual(calls, ["base", "view"])
        assert.deepStrictEqual((yield* recoveries).map(({ assetId }) => assetId).sort(), ["base", "view"])
      })
    )
  })

  it.live("a run that fails for another reason while a step waits can be recovered, and finds the asset healed", () => {
    const door = gate()
    let made = 0
    let broken = true
    const jobs = [
      makes("base", async () => {
        if (++made > 1) await door.pass()
        return "base"
      }),
      uses("base"),
      defineJob({
        slug: "other",
        run: async () => {
          if (broken) throw new PermanentFailure("misconfigured")
        }
      })
    ]
    const workflows = {
      bases,
      forks: { steps: [stepFor("use-base", { consumes: ["base"] }), stepFor("wait-for"), stepFor("other")] }
    }
    const hold = gate()
    jobs.push(
      defineJob({
        slug: "wait-for",
        run: () => hold.pass()
      })
    )
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const { id } = yield* start("forks")
        yield* stepIs(id, "other", "failed")
        hold.open()
        const failed = yield* ended(id)
        assert.strictEqual(failed.failure?.message, "misconfigured")
        door.open()
        yield* until(recoveries, (found) => found.every(({ status }) => status !== "running"), "end of the recovery")
        broken = false
        yield* engine.recoverRun(id)
        const run = yield* ended(id)
        assert.strictEqual(run.status, "succeeded", JSON.stringify(run, null, 1))
        assert.strictEqual(stepOf(run, "wait-for").attempt, 1, "a finished step is kept (F44)")
      })
    )
  })

  it.live("F32: what another run made meanwhile is taken for the heal, once it has been looked at", () => {
    const door = gate()
    let made = 0
    const jobs = [
      makes("base", async (ctx) => {
        made++
        if (ctx.trigger.type === "recovery" && made === 2) throw new TransientFailure("not now")
        return "base"
      }),
      uses("base")
    ]
    const once = { steps: [stepFor("make-base", { produces: ["base"], retryPolicy: { strategy: "none" } })] }
    return play({ jobs, workflows: { bases: once, users } }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const { id } = yield* start("users")
        yield* until(eventsOf("recovery", "RecoveryAttemptFailed"), (failed) => failed.length === 1, "failed attempt")
        yield* succeeded("bases")
        assert.strictEqual((yield* ended(id)).status, "succeeded")
        const [recovery] = yield* until(recoveries, ([found]) => found?.status === "succeeded", "end of the recovery")
        assert.strictEqual(recovery!.via, "found")
        assert.strictEqual(made, 3, "its second attempt found it there")
        door.open()
      })
    )
  })

  it.live("F22: a job that the app no longer has is producer_gone", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const log = Context.get(yield* Layer.build(MemoryEventStore.layer), EventStore)
        const first = yield* boot(log, { jobs: [makes("base"), uses("base")], baseDir: folder })
        yield* Effect.provideService(
          Effect.andThen(define({ bases, users }), succeeded("bases")),
          Engine,
          first.engine!
        )
        yield* first.stop
        writeFileSync(join(folder, "lake", "other.txt"), "")
        rmSync(join(folder, "lake", "base.txt"))
        const second = yield* boot(log, { jobs: [uses("base")], baseDir: folder })
        const run = yield* Effect.provideService(ran("users"), Engine, second.engine!)
        assert.strictEqual(run.failure?.code, "producer_gone")
        assert.include(run.failure?.message, "make-base")
        yield* second.stop
      }).pipe(Effect.asVoid)
    )
  )
})
