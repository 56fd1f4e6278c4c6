import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { boot, type Fate } from "../recovery/process.ts"
import { define, eventsOf, type Settings, soundHistory, temporaryFolder, until } from "../support/engine.ts"
import { letters, making } from "./days.ts"

/** A backfill whose process may die, and is followed by one that lives; how many appends the first has made. */
const survive = (fate: Fate) =>
  Effect.scoped(
    Effect.gen(function* () {
      const baseDir = yield* temporaryFolder
      const log = Context.get(yield* Layer.build(MemoryEventStore.layer), EventStore)
      const given: Settings = { jobs: [making()], baseDir, drainMs: 0 }
      const mortal = yield* boot(log, given, fate)
      const caller = { commandId: "c1", requestHash: "h" }
      const ask = ({ backfills, engine }: typeof mortal) =>
        Effect.andThen(
          define(letters).pipe(Effect.provideService(Engine, engine!)),
          backfills!.request({ workflow: "days", partitions: { keys: ["a", "b", "c"] }, concurrency: 2 }, caller)
        )
      const isOver = ({ finishedAt }: { readonly finishedAt: string | null }) => finishedAt !== null
      const ended = (process: typeof mortal) =>
        Effect.flatMap(ask(process), ({ backfill }) =>
          until(process.backfills!.read(backfill.id), isOver, "end of the backfill", 60)
        )
      const living = mortal.engine === null ? mortal.died : Effect.raceFirst(ended(mortal), mortal.died)
      yield* living
      const appends = mortal.appends()
      yield* mortal.kill
      const next = yield* boot(log, { ...given, processId: "next" })
      assert.deepInclude(yield* ended(next), { status: "succeeded", succeeded: 3, failed: 0 })
      const runs = yield* eventsOf("run", "RunRequested").pipe(Effect.provideService(EventStore, log))
      assert.deepStrictEqual(runs.map(({ partitionKey }) => partitionKey).sort(), ["a", "b", "c"])
      yield* soundHistory(true).pipe(Effect.provideService(EventStore, log))
      yield* next.stop
      return appends
    })
  )

describe("a backfill whose process dies", () => {
  it.live(
    "F66: at whichever of its appends, before or after it is durable, ends well, each partition having run once",
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
