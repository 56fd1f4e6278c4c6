import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { PermanentFailure } from "../../src/index.ts"
import { layerOn } from "../regressions/layerOn.ts"
import { makes, readInput, stepFor, uses } from "../support/chainApp.ts"
import {
  define,
  eventsOf,
  play,
  ran,
  recoveries,
  type Settings,
  soundHistory,
  succeeded,
  temporaryFolder
} from "../support/engine.ts"
import { rot } from "./rot.ts"

const bases = { steps: [stepFor("make-base", { produces: ["base"] })] }
const users = { steps: [stepFor("use-base", { consumes: ["base"] })] }

describe("losses that come again, and heals that cannot be", () => {
  it.live("T34: a generation that is lost between its heal and the look at it is a loss of its own, healed next", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const memory = Context.get(yield* Layer.build(MemoryEventStore.layer), EventStore)
        const lost: Array<number> = []
        // The file is gone in the very moment in which its production has become durable.
        const log = EventStore.of({
          ...memory,
          append: (request) =>
            Effect.tap(memory.append(request), () =>
              Effect.sync(() => {
                for (const { payload, type } of request.events) {
                  const { generation } = JSON.parse(payload) as { readonly generation?: number }
                  if (type !== "AssetProduced" || generation !== 2) continue
                  lost.push(generation)
                  rmSync(join(folder, "lake", "base.txt"))
                }
              })
            )
        })
        const given: Settings = { baseDir: folder, jobs: [makes("base"), uses("base")] }
        yield* Effect.gen(function* () {
          yield* define({ bases, users })
          yield* succeeded("bases")
          rmSync(join(folder, "lake", "base.txt"))
          yield* succeeded("users")
          assert.deepStrictEqual(lost, [2])
          const found = (yield* recoveries).map(({ lostGeneration, status }) => [lostGeneration, status])
          assert.deepStrictEqual(found, [
            [1, "succeeded"],
            [2, "succeeded"]
          ])
          assert.strictEqual(readFileSync(join(folder, "lake", "base.txt"), "utf8"), "base of all")
          yield* soundHistory(true)
        }).pipe(Effect.provide(layerOn(Context.make(EventStore, log), given)))
      })
    )
  )

  it.live("F29: a producer that fails for good is not tried again, and the waiter is told why", () => {
    let made = 0
    const jobs = [
      makes("base", () => {
        if (++made > 1) throw new PermanentFailure("the day's file is empty")
        return "base"
      }),
      uses("base")
    ]
    return play({ jobs, workflows: { bases, users } }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const run = yield* ran("users")
        assert.strictEqual(run.failure?.code, "budget_exhausted")
        assert.include(run.failure?.message, "the day's file is empty")
        const [recovery] = yield* recoveries
        assert.deepStrictEqual([made, recovery!.attempts, recovery!.maxAttempts], [2, 1, 3])
      })
    )
  })

  it.live("F7: corrupt bytes of which a good copy exists are put back from it, and no producer runs", () => {
    const calls: Array<string> = []
    const jobs = [
      makes("base", () => {
        calls.push("base")
        return "good bytes"
      }),
      makes("mirror", (ctx) => readInput(ctx, "base")),
      uses("base")
    ]
    const mirrors = { steps: [stepFor("make-mirror", { consumes: ["base"], produces: ["mirror"] })] }
    return play({ jobs, workflows: { bases, mirrors, users } }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        yield* succeeded("mirrors")
        rot(join(folder, "lake", "base.txt"), "bad bytes!")
        yield* succeeded("users")
        assert.deepStrictEqual(calls, ["base"])
        assert.strictEqual((yield* recoveries)[0]!.via, "copy")
        assert.strictEqual(readFileSync(join(folder, "lake", "base.txt"), "utf8"), "good bytes")
      })
    )
  })

  it.live("F22: a lost asset whose input lies in a store that the app no longer names fails at once and says so", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const log = yield* Layer.build(MemoryEventStore.layer)
        const copy = makes("copy", (ctx) => readInput(ctx, "base"))
        const jobs = [makes("base"), copy, uses("copy")]
        const workflows = {
          bases,
          copies: { steps: [stepFor("make-copy", { consumes: ["base"], produces: ["copy"] })] },
          users: { steps: [stepFor("use-copy", { consumes: ["copy"] })] }
        }
        // Bases go to the inbox in this test: it is the store that is forgotten.
        const inbox = {
          ...makes("base"),
          run: async (ctx: Parameters<(typeof jobs)[0]["run"]>[0]) => {
            const location = await ctx.files.writeText("inbox", "base.txt", "base")
            return { result: { assets: [{ assetId: "base", locations: [location] }] } }
          }
        }
        const given = { baseDir: folder, jobs: [inbox, copy, uses("copy")] }
        yield* Effect.gen(function* () {
          yield* define(workflows)
          yield* succeeded("bases")
          yield* succeeded("copies")
        }).pipe(Effect.provide(layerOn(log, given)), Effect.scoped)

        rmSync(join(folder, "lake", "copy.txt"))
        const stores = { lake: { type: "folder", path: "lake" } } as const
        yield* Effect.gen(function* () {
          yield* define(workflows)
          const run = yield* ran("users")
          assert.strictEqual(run.failure?.code, "producer_gone")
          assert.include(run.failure?.message, "inbox")
        }).pipe(Effect.provide(layerOn(log, { ...given, stores })), Effect.scoped)
      })
    )
  )

  it.live("a retried recovery for which nobody waits tries once, and says how that ended", () => {
    let made = 0
    const jobs = [
      makes("base", () => {
        if (++made > 1) throw new Error(`not on try ${made}`)
        return "base"
      }),
      uses("base")
    ]
    const twice = {
      steps: [{ ...stepFor("make-base"), produces: [{ assetId: "base", recovery: { maxAttempts: 2 } }] }]
    }
    const impatient = { ...twice.steps[0]!, retryPolicy: { strategy: "none" } }
    return play({ jobs, workflows: { bases: { steps: [impatient] }, users } }, (folder) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        yield* ran("users")
        const [failed] = yield* recoveries
        assert.deepStrictEqual([failed!.status, failed!.attempts, made], ["failed", 2, 3])
        yield* engine.retryRecovery(failed!.id)
        const over = yield* Effect.repeat(engine.recovery(failed!.id), {
          until: ({ status }) => status === "canceled" || status === "failed"
        })
        assert.deepStrictEqual([over.status, over.reasonCode, made], ["canceled", "canceled", 4])
        const [, ended] = yield* eventsOf("recovery", "RecoveryFailed")
        assert.include((ended!.failure as { readonly message: string }).message, "not on try 4")
      })
    )
  })
})
