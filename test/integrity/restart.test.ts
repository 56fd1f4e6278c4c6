import { existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { boot } from "../recovery/process.ts"
import { keyOf, makes, stepFor } from "../support/chainApp.ts"
import {
  define,
  eventsOf,
  gate,
  type Settings,
  soundHistory,
  succeeded,
  temporaryFolder,
  until
} from "../support/engine.ts"

const keys = Array.from({ length: 60 }, (_, index) => `k${String(index).padStart(2, "0")}`)
const produces = [{ assetId: "base", partitioning: { type: "static", keys } }]
const workflows = { bases: { steps: [{ ...stepFor("make-base"), produces }] } }
const paced = { isAutomatic: false, toleranceMs: 0, assetsPerSecond: 20 }

const world = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const log = Context.get(yield* Layer.build(MemoryEventStore.layer), EventStore)
  return { folder, log }
})

describe("a check and a repair after kill -9", () => {
  it.live("F38 F69: a check goes on behind its last batch, and looks at no batch twice", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { folder, log } = yield* world
        const given: Settings = { jobs: [makes("base")], baseDir: folder, drainMs: 0, integrity: paced }
        const first = yield* boot(log, { ...given, processId: "first" })
        const withFirst = Effect.provideService(Engine, first.engine!)
        yield* withFirst(define(workflows))
        yield* withFirst(Effect.forEach(keys, (key) => succeeded("bases", key), { concurrency: 8 }))
        for (const key of ["k03", "k55"]) rmSync(join(folder, "lake", keyOf("base", key)))
        yield* first.integrity!.check({})
        yield* until(
          first.integrity!.findings,
          ({ integrity }) => (integrity.running?.looked ?? 0) >= 20,
          "the first batch"
        )
        yield* first.kill
        const second = yield* boot(log, { ...given, processId: "second" })
        const done = yield* until(
          second.integrity!.findings,
          ({ integrity }) => integrity.generation === 1,
          "its end",
          60
        )
        assert.deepStrictEqual(
          done.findings.map(({ partitionKey }) => partitionKey),
          ["k03", "k55"]
        )
        const batches = yield* Effect.provideService(eventsOf("integrity", "IntegrityProgressed"), EventStore, log)
        const looked = batches.reduce((sum, batch) => sum + (batch.looked as number), 0)
        assert.strictEqual(looked, 2 * keys.length, "each once among what was produced, once among what is declared")
        assert.strictEqual(new Set(batches.map(({ cursor }) => cursor)).size, batches.length)
        const { last } = done.integrity
        const tookMs = Date.parse(last!.endedAt!) - Date.parse(last!.startedAt)
        assert.isAtLeast(tookMs, 990, "the third batch has waited for its turn")
        yield* second.stop
      })
    )
  )

  it.live("F38 F75: a repair goes on, asks for each recovery once, and is confirmed", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { folder, log } = yield* world
        const door = gate()
        let calls = 0
        const slow = makes("base", async () => {
          if (++calls > 1) await door.pass()
          return "good bytes"
        })
        const single = { bases: { steps: [stepFor("make-base", { produces: ["base"] })] } }
        const integrity = { ...paced, assetsPerSecond: 100_000 }
        const given: Settings = { jobs: [slow], baseDir: folder, drainMs: 0, integrity }
        const first = yield* boot(log, { ...given, processId: "first" })
        const withFirst = Effect.provideService(Engine, first.engine!)
        yield* withFirst(define(single))
        yield* withFirst(succeeded("bases"))
        rmSync(join(folder, "lake", "base.txt"))
        assert.deepStrictEqual((yield* first.integrity!.recover()).recheckNames, ["base"])
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "the producer")
        yield* first.kill
        door.open()
        const second = yield* boot(log, { ...given, processId: "second" })
        assert.isTrue((yield* second.integrity!.recover()).inProgress, "it is still under way")
        const done = yield* until(
          second.integrity!.findings,
          ({ integrity }) => !integrity.inProgress && integrity.last?.reason === "repair" && integrity.running === null,
          "the check that confirms it",
          60
        )
        assert.deepStrictEqual(done.findings, [])
        assert.isTrue(existsSync(join(folder, "lake", "base.txt")))
        const inLog = Effect.provideService(EventStore, log)
        assert.strictEqual((yield* inLog(eventsOf("recovery", "RecoveryRequested"))).length, 1)
        assert.strictEqual((yield* inLog(eventsOf("integrity", "IntegrityRepairEnded"))).length, 1)
        yield* inLog(soundHistory(true))
        yield* second.stop
      })
    )
  )
})
