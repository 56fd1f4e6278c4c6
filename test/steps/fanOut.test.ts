import { renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { defineJob, type JobContext } from "../../src/index.ts"
import { boot } from "../recovery/process.ts"
import { makes, readInput, stepFor } from "../support/chainApp.ts"
import {
  define,
  ended,
  eventsOf,
  gate,
  play,
  quick,
  ran,
  recoveries,
  start,
  stepIs,
  stepOf,
  succeeded,
  temporaryFolder,
  until
} from "../support/engine.ts"

const list = (items: ReadonlyArray<unknown>) => defineJob({ slug: "list", run: async () => ({ result: { items } }) })

/** `list`, then one child an item. */
const fanned = (step: object, more: object = {}) => ({
  steps: [
    stepFor("list"),
    {
      ...{ id: "each", type: "fanOut", dependsOn: ["list"], over: "{{ steps.list.result.items }}" },
      step: { retryPolicy: quick, ...step },
      ...more
    }
  ]
})

const item = (ctx: JobContext) => ctx.parameters.item as string

/** Writes a file of its item, as the partition of that name. */
const part = (calls: Array<string>) =>
  defineJob({
    slug: "part",
    run: async (ctx) => {
      calls.push(item(ctx))
      const location = await ctx.files.writeText("lake", `part-${item(ctx)}.txt`, `part ${item(ctx)}`)
      return { result: { assets: [{ assetId: "part", partitionKey: item(ctx), locations: [location] }] } }
    }
  })
const parts = fanned({ jobSlug: "part", parameters: { item: "{{ item }}" }, produces: [{ assetId: "part" }] })

describe("a fan-out", () => {
  it.live("F5: runs its job for each item, with the item, its place and the name that `as` gives it", () => {
    const jobs = [
      list([{ id: "x" }, { id: "y" }]),
      defineJob({ slug: "tell", run: async (ctx) => ({ result: { ...ctx.parameters, key: ctx.idempotencyKey } }) }),
      defineJob({ slug: "sum", run: async (ctx) => ({ result: ctx.steps.each as never }) })
    ]
    const tell = { jobSlug: "tell", parameters: { it: "{{ item.id }}", at: "{{ index }}", by: "{{ order.id }}!" } }
    const { steps } = fanned(tell, { as: "order" })
    const workflows = { orders: { steps: [...steps, { ...stepFor("sum"), dependsOn: ["each"] }] } }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        const run = yield* succeeded("orders")
        const each = stepOf(run, "each")
        const results = each.result as ReadonlyArray<Record<string, unknown>>
        assert.deepStrictEqual(
          results.map(({ at, by, it }) => ({ at, by, it })),
          [
            { at: 0, by: "x!", it: "x" },
            { at: 1, by: "y!", it: "y" }
          ]
        )
        assert.notStrictEqual(results[0]!.key, results[1]!.key)
        assert.deepInclude(each.children, { total: 2, succeeded: 2, failed: 0 })
        assert.deepStrictEqual(stepOf(run, "each[1]").result, results[1])
        assert.deepStrictEqual(stepOf(run, "sum").result, results)
      })
    )
  })

  it.live(
    "T14: one child waits for a lost input, the others finish, and the fan-out succeeds once it is healed",
    () => {
      const door = gate()
      const jobs = [
        makes("base", async () => {
          if (door.arrived() > 0) await door.pass()
          else void door.pass()
          return "base"
        }),
        list(["base", "none"])
      ]
      const readBase = defineJob({
        slug: "read-base",
        run: async (ctx) => ({
          result: { read: item(ctx) === "base" ? await ctx.files.readText("lake", "base.txt") : "nothing" }
        })
      })
      const workflows = {
        bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
        readers: fanned({ jobSlug: "read-base", parameters: { item: "{{ item }}" } })
      }
      return play({ jobs: [...jobs, readBase], workflows }, (folder) =>
        Effect.gen(function* () {
          yield* succeeded("bases")
          rmSync(join(folder, "lake", "base.txt"))
          const { id } = yield* start("readers")
          yield* stepIs(id, "each[1]", "succeeded")
          const waiting = yield* stepIs(id, "each[0]", "waiting")
          assert.deepStrictEqual([waiting.status, stepOf(waiting, "each").status], ["waiting", "waiting"])
          assert.deepInclude(stepOf(waiting, "each").children, { total: 2, succeeded: 1, waiting: 1 })
          door.open()
          const run = yield* ended(id)
          assert.strictEqual(run.status, "succeeded")
          assert.deepStrictEqual(stepOf(run, "each").result, [{ read: "base" }, { read: "nothing" }])
          assert.strictEqual((yield* recoveries).length, 1)
        })
      )
    }
  )

  it.live("F5: what a child produced is made again by that child alone, with its recorded item", () => {
    const calls: Array<string> = []
    const keys = ["x", "y", "z"]
    const jobs = [
      list(keys),
      part(calls),
      defineJob({ slug: "read", run: async (ctx) => ({ result: { text: await readInput(ctx, "part") } }) })
    ]
    const workflows = {
      parts,
      readers: { steps: [stepFor("read", { consumes: ["part"] })] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        yield* succeeded("parts")
        rmSync(join(folder, "lake", "part-y.txt"))
        const run = yield* succeeded("readers", "y")
        assert.deepStrictEqual(stepOf(run, "read").result, { text: "part y" })
        assert.deepStrictEqual(calls.toSorted(), ["x", "y", "y", "z"])
        const [recovery] = yield* recoveries
        const producer = yield* engine.run(recovery!.producerRunId!)
        assert.deepStrictEqual(
          producer.steps.map(({ id, status }) => [id, status]),
          [
            ["list", "skipped"],
            ["each", "skipped"],
            ["each[1]", "succeeded"]
          ]
        )
        const [scheduled] = yield* eventsOf("recovery", "RecoveryScheduled")
        assert.deepStrictEqual(scheduled?.only, ["each[1]"])
      })
    )
  })

  it.live("its children consume the partition of their item, and wait for it to be made first (F6)", () => {
    const calls: Array<string> = []
    const jobs = [
      list(["x", "y"]),
      part(calls),
      defineJob({ slug: "read", run: async (ctx) => ({ result: { text: await readInput(ctx, "part") } }) })
    ]
    const consumes = [{ assetId: "part", partitionKey: "{{ item }}" }]
    const workflows = { parts, readers: fanned({ jobSlug: "read", consumes }) }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("parts")
        rmSync(join(folder, "lake", "part-x.txt"))
        const run = yield* succeeded("readers")
        assert.deepStrictEqual(stepOf(run, "each").result, [{ text: "part x" }, { text: "part y" }])
        assert.deepStrictEqual(
          stepOf(run, "each[0]").inputs.map(({ assetId, partitionKey }) => [assetId, partitionKey]),
          [["part", "x"]]
        )
        assert.deepStrictEqual(calls.toSorted(), ["x", "x", "y"])
      })
    )
  })

  it.live("a child retries by its policy; one that fails for good fails the run with its place and cause", () => {
    const seen = new Map<string, number>()
    const jobs = [
      list(["flaky", "broken"]),
      defineJob({
        slug: "work",
        run: async (ctx) => {
          const times = (seen.get(item(ctx)) ?? 0) + 1
          seen.set(item(ctx), times)
          if (item(ctx) === "broken" || times < 2) throw new Error(`${item(ctx)} ${times}`)
          return { result: { times } }
        }
      })
    ]
    const workflows = { works: fanned({ jobSlug: "work", parameters: { item: "{{ item }}" } }) }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        const run = yield* ran("works")
        assert.strictEqual(run.status, "failed")
        assert.deepStrictEqual([run.failure?.stepId, run.failure?.message], ["each[1]", "broken 3"])
        assert.strictEqual(stepOf(run, "each").failure?.message, "each[1] failed: broken 3")
        assert.deepStrictEqual(stepOf(run, "each[0]").result, { times: 2 })
      })
    )
  })

  it.live("T23: a collection beyond the limit fails the run with both numbers, and no child runs", () => {
    const jobs = [list([1, 2, 3]), defineJob({ slug: "work", run: async () => assert.fail("a child ran") })]
    return play({ jobs, workflows: { works: fanned({ jobSlug: "work" }, { limit: 2 }) } }, () =>
      Effect.gen(function* () {
        const run = yield* ran("works")
        assert.deepInclude(run.failure, {
          class: "permanent",
          code: "fan_out_limit",
          message: "over of step each has 3 items, more than its limit of 2",
          stepId: "each"
        })
      })
    )
  })

  it.live("no more children of one fan-out execute at once than its concurrency, of a workflow than its own", () => {
    let now = 0
    let most = 0
    const work = defineJob({
      slug: "work",
      run: async () => {
        most = Math.max(most, ++now)
        await new Promise((resolve) => setTimeout(resolve, 5))
        now--
      }
    })
    const items = Array.from({ length: 12 }, (_, index) => index)
    const workflows = {
      narrow: fanned({ jobSlug: "work" }, { concurrency: 2 }),
      limited: { ...fanned({ jobSlug: "work" }), concurrency: 3 }
    }
    return play({ jobs: [list(items), work], workflows }, () =>
      Effect.gen(function* () {
        yield* succeeded("narrow")
        assert.strictEqual(most, 2)
        most = 0
        yield* succeeded("limited")
        assert.strictEqual(most, 3)
      })
    )
  })

  it.live("F25: children that meet a store that is away wait for it, and fail nothing", () => {
    const writes = defineJob({
      slug: "write",
      run: async (ctx) => {
        await ctx.files.writeText("lake", `${item(ctx)}.txt`, item(ctx))
      }
    })
    const workflows = {
      warm: { steps: [{ ...stepFor("write"), parameters: { item: "warm" } }] },
      works: fanned({ jobSlug: "write", parameters: { item: "{{ item }}" }, retryPolicy: { maxAttempts: 1 } })
    }
    return play({ jobs: [list(["x", "y", "z"]), writes], workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("warm")
        const lake = join(folder, "lake")
        renameSync(lake, `${lake}.away`)
        const { id } = yield* start("works")
        const waiting = yield* stepIs(id, "each[0]", "waiting")
        assert.strictEqual(stepOf(waiting, "each").failure, undefined)
        renameSync(`${lake}.away`, lake)
        assert.strictEqual((yield* ended(id)).status, "succeeded")
      })
    )
  })

  it.live("F38: after a crash the children that were cut off run again, and no other", () => {
    const door = gate()
    const calls: Array<string> = []
    const jobs = [
      list(["x", "y"]),
      defineJob({
        slug: "work",
        run: async (ctx) => {
          calls.push(`${item(ctx)} ${ctx.attempt}`)
          if (item(ctx) === "y" && ctx.attempt === 1) await door.pass()
        }
      })
    ]
    return Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const log = Context.get(yield* Layer.build(MemoryEventStore.layer), EventStore)
        const given = { jobs, baseDir: folder, drainMs: 0 }
        const first = yield* boot(log, { ...given, processId: "first" })
        const on =
          (engine: Engine["Service"] | null) =>
          <A, E, R>(effect: Effect.Effect<A, E, R>) => {
            assert(engine !== null, "the process died while it started")
            return Effect.provideService(effect, Engine, engine)
          }
        const workflows = { works: fanned({ jobSlug: "work", parameters: { item: "{{ item }}" } }) }
        yield* on(first.engine)(define(workflows))
        const { id } = yield* on(first.engine)(start("works"))
        yield* on(first.engine)(stepIs(id, "each[0]", "succeeded"))
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "child in progress")
        yield* first.kill
        const second = yield* boot(log, { ...given, processId: "second" })
        const run = yield* on(second.engine)(ended(id))
        assert.strictEqual(run.status, "succeeded")
        assert.deepStrictEqual(calls, ["x 1", "y 1", "y 2"])
        door.open()
      })
    )
  })
})
