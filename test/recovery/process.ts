import { Context, Deferred, Effect, Exit, Layer, Scope } from "effect"
import { Announcements } from "../../src/actors/Announcements.ts"
import { Backfills } from "../../src/actors/Backfills.ts"
import { RunSteering } from "../../src/actors/RunSteering.ts"
import { Engine } from "../../src/actors/Engine.ts"
import { Integrity } from "../../src/actors/Integrity.ts"
import { engine } from "../../src/cli/Runtime.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import { LogFollower } from "../../src/eventstore/LogFollower.ts"
import { standsOf } from "../support/stands.ts"
import { type Settings, settings } from "../support/engine.ts"
import * as memoryIndex from "../support/memoryIndex.ts"

/** One process on a log that outlives it. */
export interface Process {
  /** Null: it died while it started. */
  readonly engine: Engine["Service"] | null
  /** Null with the engine. */
  readonly backfills: Backfills["Service"] | null
  /** Null with the engine. */
  readonly announcements: Announcements["Service"] | null
  readonly steering: RunSteering["Service"] | null
  readonly integrity: Integrity["Service"] | null
  /** Completed when it is dead. */
  readonly died: Effect.Effect<void>
  /** Ends at once, as by `kill -9`: nothing that it does from now on reaches the log. */
  readonly kill: Effect.Effect<void>
  /** An orderly stop. */
  readonly stop: Effect.Effect<void>
  /** How many appends it has made. */
  readonly appends: () => number
}

/** Says at each append (from 1) whether the process dies there: the events not yet written, or written and not answered. */
export type Fate = (append: number) => "before" | "after" | null

/** Starts a process on the log that is given. */
export const boot = Effect.fnUntraced(function* (log: EventStore["Service"], given: Settings, fate: Fate = () => null) {
  const death = yield* Deferred.make<void>()
  let isAlive = true
  let appends = 0
  const die = () => {
    isAlive = false
    Deferred.doneUnsafe(death, Effect.void)
  }
  const living = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => (isAlive ? effect : Effect.never))

  const mortal = EventStore.of({
    ...log,
    append: (append) =>
      living(
        Effect.suspend(() => {
          const dies = fate(++appends)
          if (dies === "before") die()
          const appended = Effect.tap(log.append(append), () => Effect.sync(() => dies === "after" && die()))
          return Effect.flatMap(living(appended), (answer) => living(Effect.succeed(answer)))
        })
      ),
    read: (...asked) => living(log.read(...asked)),
    readAll: (asked) => living(log.readAll(asked)),
    claimDue: (asked) => living(log.claimDue(asked)),
    waitingOn: (...asked) => living(log.waitingOn(...asked)),
    waitedStores: living(log.waitedStores),
    lostWakes: (limit) => living(log.lostWakes(limit))
  })
  const layer = engine(settings(given)).pipe(
    Layer.provideMerge(memoryIndex.layer),
    Layer.provideMerge(LogFollower.layerMemory(standsOf(log))),
    Layer.provideMerge(Layer.succeed(EventStore, mortal))
  )
  const scope = yield* Scope.make()
  const started = yield* Effect.raceFirst(Layer.buildWithScope(layer, scope), Effect.as(Deferred.await(death), null))
  const stop = Scope.close(scope, Exit.void)
  const process: Process = {
    engine: started === null ? null : Context.get(started, Engine),
    backfills: started === null ? null : Context.get(started, Backfills),
    announcements: started === null ? null : Context.get(started, Announcements),
    steering: started === null ? null : Context.get(started, RunSteering),
    integrity: started === null ? null : Context.get(started, Integrity),
    died: Deferred.await(death),
    // What it leaves running is ended in the background; its drain can write nothing any more.
    kill: Effect.andThen(Effect.sync(die), Effect.asVoid(Effect.forkDetach(stop))),
    stop,
    appends: () => appends
  }
  return process
})
