import { readdirSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { defineJob, StoreUnavailable } from "../../src/index.ts"
import { keyOf, makes, stepFor, uses } from "../support/chainApp.ts"
import { eventsOf, play, ran, recoveries, start, stepIs, stepOf, succeeded } from "../support/engine.ts"
const base = { steps: [{ ...stepFor("make-base"), produces: [{ assetId: "base" }] }] }
describe("what once went wrong with inputs", () => {
  it.live(
    "12 lost partitions of one step",
    () => {
      const jobs = [
        defineJob({
          slug: "make-base",
          run: async (ctx) => {
            const location = await ctx.files.writeText("lake", `base-${ctx.partitionKey}.txt`, `b ${ctx.partitionKey}`)
            return { result: { assets: [{ assetId: "base", locations: [location] }] } }
          }
        }),
        defineJob({ slug: "sum", run: async (ctx) => ({ result: { n: ctx.inputs.base!.all.length } }) })
      ]
      const workflows = {
        bases: base,
        sums: { steps: [{ ...stepFor("sum"), consumes: [{ assetId: "base", partitions: "all" }] }] }
      }
      return play({ jobs, workflows, ends: false }, (folder) =>
        Effect.gen(function* () {
          for (let i = 0; i < 12; i++) yield* succeeded("bases", `p${i}`)
          for (let i = 0; i < 12; i++) rmSync(join(folder, "lake", `base-p${i}.txt`))
          const run = yield* ran("sums")
          const _all = yield* recoveries
          const _req = (yield* eventsOf("recovery", "RecoveryRequested")).map((e) => e.recordedAt as number)
          const _done = (yield* eventsOf("recovery", "RecoverySucceeded")).map((e) => e.recordedAt as number)
          assert.strictEqual(run.status, "succeeded")
        })
      )
    },
    60000
  )
  it.live(
    "a step that waits for one store is not held up by the drain of another",
    () => {
      const jobs = [
        makes("base", () => "x"),
        uses("base"),
        defineJob({
          slug: "inboxer",
          run: async (ctx) => {
            await ctx.files.writeText("inbox", `f${ctx.runId}.txt`, "x")
          }
        }),
        defineJob({
          slug: "late",
          run: async (ctx) => {
            if (ctx.attempt === 1) throw new StoreUnavailable({ store: "inbox", message: "x" })
          }
        })
      ]
      const workflows = {
        bases: base,
        users: { steps: [stepFor("use-base", { consumes: ["base"] })] },
        late: { steps: [stepFor("late")] }
      }
      return play(
        {
          jobs,
          workflows,
          ends: false,
          settings: {
            stores: {
              inbox: { type: "folder", path: "inbox" },
              lake: { type: "folder", path: "lake", drainPerSecond: 1 }
            }
          } as never
        },
        (folder) =>
          Effect.gen(function* () {
            yield* succeeded("bases")
            renameSync(join(folder, "lake"), join(folder, "away"))
            const ids = []
            for (let i = 0; i < 14; i++) {
              const { id } = yield* start("users")
              ids.push(id)
              yield* stepIs(id, "use-base", "waiting")
            }
            renameSync(join(folder, "away"), join(folder, "lake"))
            yield* Effect.sleep("2500 millis")
            const _run = yield* ran("late")
            void ids
          })
      )
    },
    60000
  )
  it.live(
    "at the ceiling no heal is caused",
    () => {
      let made = 0
      const jobs = [
        makes("base", () => {
          made++
          return "x"
        }),
        defineJob({
          slug: "eat",
          run: async (ctx) => {
            const part = ctx.inputs.base!.locations[0]!
            await ctx.files.delete(part.store, part.key)
            await ctx.files.readText(part.store, part.key)
          }
        })
      ]
      const workflows = {
        bases: base,
        eaters: { steps: [{ ...stepFor("eat", { consumes: ["base"] }), recovery: { ceilingPerRun: 2 } }] }
      }
      return play({ jobs, workflows, ends: false }, () =>
        Effect.gen(function* () {
          yield* succeeded("bases")
          const _run = yield* ran("eaters")
          yield* Effect.sleep("1 seconds")
          assert.isAtMost(made - 1, 2)
        })
      )
    },
    30000
  )
  it.live(
    "retry of a recovery without waiters starts no other attempt",
    () => {
      let made = 0
      const jobs = [
        makes("base", () => {
          if (++made > 1) throw new Error("no")
          return "x"
        }),
        uses("base")
      ]
      const workflows = {
        bases: {
          steps: [
            {
              ...stepFor("make-base"),
              retryPolicy: { strategy: "none" },
              produces: [{ assetId: "base", recovery: { maxAttempts: 3 } }]
            }
          ]
        },
        users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
      }
      return play({ jobs, workflows, ends: false }, (folder) =>
        Effect.gen(function* () {
          yield* succeeded("bases")
          rmSync(join(folder, "lake", keyOf("base")))
          const _run = yield* ran("users")
          const _before = made
          const engine = yield* Engine
          const [r] = yield* recoveries
          yield* engine.retryRecovery(r!.id)
          yield* Effect.sleep("6 seconds")
          const [_after] = yield* recoveries
        })
      )
    },
    30000
  )
})
void readdirSync
void stepOf
