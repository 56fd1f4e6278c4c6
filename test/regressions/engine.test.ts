import { layerOn } from "./layerOn.ts"
import { existsSync, readFileSync, rmSync, writeFileSync, renameSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { defineJob, StoreUnavailable, TransientFailure } from "../../src/index.ts"
import { keyOf, makes, readInput, stepFor, uses } from "../support/chainApp.ts"
import {
  ended,
  eventsOf,
  gate,
  history,
  play,
  recoveries,
  start,
  stepIs,
  succeeded,
  temporaryFolder,
  define,
  until
} from "../support/engine.ts"

const base = (produces: object = {}) => ({
  steps: [{ ...stepFor("make-base"), produces: [{ assetId: "base", ...produces }] }]
})

describe("what once went wrong in the engine", () => {
  it.live("a late report of corruption does not delete the healed object", () => {
    const door = gate()
    let made = 0
    const jobs = [
      makes("base", () => {
        made++
        return "good bytes"
      }),
      defineJob({
        slug: "use-base",
        run: async (ctx) => {
          try {
            return { result: { text: await readInput(ctx, "base") } }
          } catch (error) {
            if (ctx.parameters.slow === true && ctx.attempt === 1) await door.pass()
            throw error
          }
        }
      })
    ]
    const workflows = { bases: base(), users: { steps: [stepFor("use-base", { consumes: ["base"] })] } }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        const file = join(folder, "lake", keyOf("base"))
        // same size & mtime-based etag: see corrupt.test.ts for how it corrupts
        yield* corrupt(file)
        const slow = yield* start("users", undefined, { slow: true })
        yield* until(Effect.sync(door.arrived), (n) => n === 1, "slow reader at the door")
        yield* succeeded("users")
        assert.strictEqual(made, 2)
        assert.strictEqual(readFileSync(file, "utf8"), "good bytes")
        door.open()
        const _end = yield* ended(slow.id)
        const all = yield* recoveries
        assert.strictEqual(all.length, 1, "the healed object was taken for corrupt")
      })
    )
  })

  it.live("concurrency 1 holds when a step is retried at once", () => {
    let now = 0
    let most = 0
    const jobs = [
      defineJob({
        slug: "work",
        run: async (ctx) => {
          now++
          most = Math.max(most, now)
          await new Promise((r) => setTimeout(r, 30))
          now--
          if (ctx.attempt === 1) throw new TransientFailure({ message: "again" })
        }
      })
    ]
    const workflows = {
      w: {
        concurrency: 1,
        steps: [
          { ...stepFor("work"), retryPolicy: { maxAttempts: 3, strategy: "fixed", initialDelayMs: 0, jitter: "none" } }
        ]
      }
    }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        const ids = []
        for (let i = 0; i < 6; i++) ids.push((yield* start("w")).id)
        for (const id of ids) yield* ended(id)
        assert.strictEqual(most, 1)
      })
    )
  })

  it.live("recover does not give one run key to two active runs", () => {
    const door = gate()
    let fail = true
    const jobs = [
      defineJob({
        slug: "work",
        run: async () => {
          if (fail) throw new (await import("../../src/index.ts")).PermanentFailure({ message: "no" })
          await door.pass()
        }
      })
    ]
    const workflows = { w: { steps: [stepFor("work")] } }
    return play({ jobs, workflows, ends: false }, () =>
      Effect.gen(function* () {
        const engine = yield* Engine
        const first = (yield* engine.startRun({ workflow: "w", runKey: "k" })).run
        yield* ended(first.id)
        yield* until(eventsOf("runkey", "RunKeyReleased"), (f) => f.length === 1, "key released")
        fail = false
        yield* engine.recoverRun(first.id)
        yield* stepIs(first.id, "work", "running")
        const second = (yield* engine.startRun({ workflow: "w", runKey: "k" })).run
        assert.strictEqual(second.id, first.id, "an active run with the same key is answered instead")
      })
    )
  })

  it.live("a run with a run key keeps its caller in the log", () => {
    const jobs = [defineJob({ slug: "work", run: async () => {} })]
    const workflows = { w: { steps: [stepFor("work")] } }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        const engine = yield* Engine
        const caller = { commandId: "cmd-1", requestHash: "h1", principal: "alice" }
        const { run } = yield* engine.startRun({ workflow: "w", runKey: "k", caller })
        yield* ended(run.id)
        const requested = (yield* history).find(({ type }) => type === "RunRequested")!
        const _again = yield* Effect.exit(
          engine.startRun({
            workflow: "w",
            runKey: "k2",
            parameters: { x: 1 },
            caller: { ...caller, requestHash: "h2" }
          })
        )
        const _third = yield* Effect.exit(engine.startRun({ workflow: "w", runKey: "k2" }))
        assert.strictEqual(requested.metadata.principal, "alice")
      })
    )
  })

  it.live("start-up does not wait for the drain of a store", () => {
    const jobs = [makes("base", () => "x"), uses("base")]
    const workflows = { bases: base(), users: { steps: [stepFor("use-base", { consumes: ["base"] })] } }
    return Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const log = yield* Layer.build(MemoryEventStore.layer)
        const given = {
          jobs,
          baseDir: folder,
          stores: {
            inbox: { type: "folder", path: "inbox" },
            lake: { type: "folder", path: "lake", drainPerSecond: 5 }
          }
        } as never
        yield* Effect.gen(function* () {
          yield* define(workflows)
          yield* succeeded("bases")
          renameSync(join(folder, "lake"), join(folder, "away"))
          for (let i = 0; i < 30; i++) {
            const { id } = yield* start("users")
            yield* stepIs(id, "use-base", "waiting")
          }
        }).pipe(Effect.provide(layerOn(log, given)), Effect.scoped)
        renameSync(join(folder, "away"), join(folder, "lake"))
        const began = Date.now()
        yield* Effect.gen(function* () {
          yield* Engine
        }).pipe(Effect.provide(layerOn(log, given)), Effect.scoped)
        assert.isBelow(Date.now() - began, 2500)
      })
    )
  })

  it.live("an outage longer than attemptTimeoutMs does not use up a recovery's only attempt", () => {
    const _door = gate()
    let made = 0
    let away = () => {}
    const jobs = [
      makes("base", async () => {
        if (++made === 2) away()
        return "base"
      }),
      uses("base")
    ]
    const workflows = {
      bases: base({ recovery: { maxAttempts: 1, attemptTimeoutMs: 500 } }),
      users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", keyOf("base")))
        away = () => renameSync(join(folder, "lake"), join(folder, "away"))
        const run = yield* start("users")
        yield* until(
          Effect.sync(() => made),
          (n) => n >= 2,
          "producer ran"
        )
        yield* Effect.sleep("1500 millis")
        renameSync(join(folder, "away"), join(folder, "lake"))
        const end = yield* ended(run.id)
        assert.strictEqual(end.status, "succeeded")
      })
    )
  })

  it.live(
    "one job that says a healthy store is away does not close it for others, nor runs for ever",
    () => {
      let _calls = 0
      const jobs = [
        makes("base", () => "x"),
        uses("base"),
        defineJob({
          slug: "liar",
          run: async () => {
            _calls++
            throw new StoreUnavailable({ store: "lake", message: "503" })
          }
        })
      ]
      const workflows = {
        bases: base(),
        users: { steps: [stepFor("use-base", { consumes: ["base"] })] },
        liars: { steps: [stepFor("liar")] }
      }
      return play({ jobs, workflows, ends: false }, () =>
        Effect.gen(function* () {
          yield* succeeded("bases")
          const { id } = yield* start("liars")
          yield* Effect.sleep("9 seconds")
          const engine = yield* Engine
          const liar = yield* engine.run(id)
          const other = yield* start("users")
          const _end = yield* ended(other.id, 40)
          assert.strictEqual(liar.status, "failed", "4 attempts by retryPolicy, then failed")
        })
      )
    },
    60000
  )

  it.live("input in a store that the app no longer names fails with a reason", () => {
    const jobs = [makes("base", () => "x"), uses("base")]
    const workflows = { bases: base(), users: { steps: [stepFor("use-base", { consumes: ["base"] })] } }
    return Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const log = yield* Layer.build(MemoryEventStore.layer)
        const given = (stores: object) => ({ jobs, baseDir: folder, stores, timestoreStore: undefined }) as never
        const two = { inbox: { type: "folder", path: "inbox" }, lake: { type: "folder", path: "lake" } }
        yield* Effect.gen(function* () {
          yield* define(workflows)
          yield* succeeded("bases")
        }).pipe(Effect.provide(layerOn(log, given(two))), Effect.scoped)
        yield* Effect.gen(function* () {
          yield* define(workflows)
          const { id } = yield* start("users")
          yield* Effect.sleep("4 seconds")
          const run = yield* (yield* Engine).run(id)
          assert.strictEqual(run.status, "failed")
        }).pipe(Effect.provide(layerOn(log, given({ inbox: two.inbox }))), Effect.scoped)
      })
    )
  })
})

import { execFileSync } from "node:child_process"
const corrupt = (path: string) =>
  Effect.sync(() => {
    const times = `${path}.times`
    writeFileSync(times, "")
    execFileSync("touch", ["-r", path, times])
    writeFileSync(path, "bad bytes!")
    execFileSync("touch", ["-r", times, path])
    rmSync(times)
  })
void Context
void existsSync
void EventStore
void readInput
