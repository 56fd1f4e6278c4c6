import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { defineJob, PermanentFailure } from "../../src/index.ts"
import { boot, type Fate } from "../recovery/process.ts"
import { stepFor } from "../support/chainApp.ts"
import {
  define,
  ended,
  eventsOf,
  history,
  type Settings,
  soundHistory,
  start,
  temporaryFolder,
  until
} from "../support/engine.ts"

const caller = { commandId: "c1", requestHash: "h", principal: "ann" }
const count = 3

/**
 * Runs that have failed, and a bulk operation that retries them by a process that may die, and is followed by one that
 * lives; how many appends the first has made.
 */
const survive = (fate: Fate) =>
  Effect.scoped(
    Effect.gen(function* () {
      let isBroken = true
      const job = defineJob({
        slug: "load",
        run: async () => {
          if (isBroken) throw new PermanentFailure({ message: "no such table" })
        }
      })
      const baseDir = yield* temporaryFolder
      const log = Context.get(yield* Layer.build(MemoryEventStore.layer), EventStore)
      const given: Settings = { jobs: [job], baseDir, drainMs: 0 }
      const before = yield* boot(log, { ...given, processId: "before" })
      const ids = yield* Effect.gen(function* () {
        yield* define({ w: { steps: [stepFor("load")] } })
        const found: Array<string> = []
        for (let index = 0; index < count; index++) found.push((yield* start("w")).id)
        for (const id of found) assert.strictEqual((yield* ended(id)).status, "failed")
        return found
      }).pipe(Effect.provideService(Engine, before.engine!))
      yield* before.stop
      isBroken = false

      const mortal = yield* boot(log, given, fate)
      const select = Effect.succeed({ ids, more: false })
      const request = {
        action: "retry",
        filter: { status: "failed" },
        canary: 1,
        ratePerSecond: 100,
        reason: "it is back"
      }
      const ask = ({ bulks }: typeof mortal) => bulks!.request({ ...request, action: "retry" }, select, caller)
      const over = (process: typeof mortal) =>
        Effect.flatMap(ask(process), ({ bulk }) =>
          until(process.bulks!.read(bulk.id), ({ endedAt }) => endedAt !== null, "end of the bulk operation", 30)
        )
      yield* mortal.bulks === null ? mortal.died : Effect.raceFirst(over(mortal), mortal.died)
      const appends = mortal.appends()
      yield* mortal.kill
      const next = yield* boot(log, { ...given, processId: "next" })
      assert.deepInclude(yield* over(next), { status: "succeeded", done: count, skipped: 0, failed: 0 })
      const logged = Effect.provideService(EventStore, log)
      for (const id of ids) {
        assert.strictEqual((yield* ended(id).pipe(Effect.provideService(Engine, next.engine!))).status, "succeeded")
        assert.lengthOf(yield* eventsOf(`run-${id}`, "RunRecovered").pipe(logged), 1)
      }
      const told = (yield* logged(history)).filter(({ type }) => type === "RunRecovered")
      for (const { metadata } of told) assert.deepInclude(metadata, { principal: "ann", reason: "it is back" })
      yield* soundHistory(true).pipe(logged)
      yield* next.stop
      return appends
    })
  )

describe("a bulk operation whose process dies", () => {
  it.live(
    "F52: at whichever of its appends, before or after it is durable, tells each item once and counts it as done",
    () =>
      Effect.gen(function* () {
        const total = yield* survive(() => null)
        assert.isAbove(total, 10)
        for (let append = 1; append <= total; append++) {
          const death = append % 2 === 0 ? "before" : "after"
          yield* survive((number) => (number === append ? death : null)).pipe(
            Effect.catchDefect((defect) => Effect.die(new Error(`dead ${death} append ${append}`, { cause: defect })))
          )
        }
      }),
    120_000
  )
})
