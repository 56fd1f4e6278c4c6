import { Clock, Duration, Effect, Layer } from "effect"
import { ActorSystem } from "./ActorSystem.ts"
import { Slots } from "./Slots.ts"

const lookMs = 20

/**
 * An orderly stop: no step begins any more, those that execute may finish for up to `drainMs`, and the rest are noted
 * as interrupted by a drain, which is no failure. Runs before the actors' own layers close.
 */
export const layer = (drainMs: number) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const slots = yield* Slots
      const system = yield* ActorSystem
      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          slots.close()
          const until = (yield* Clock.currentTimeMillis) + drainMs
          while (slots.stats().executing > 0 && (yield* Clock.currentTimeMillis) < until) {
            yield* Effect.sleep(Duration.millis(lookMs))
          }
          const left = slots.stats().executing
          if (left > 0) yield* Effect.logInfo(`${left} steps did not finish within ${drainMs} ms and are interrupted`)
          yield* Effect.forEach([...system.local.values()], ({ drain }) => drain, {
            concurrency: "unbounded",
            discard: true
          }).pipe(Effect.timeoutOption(Duration.seconds(5)), Effect.ignore)
        })
      )
    })
  )
