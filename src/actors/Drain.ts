import { Clock, Context, Duration, Effect, Layer } from "effect"
import { ActorSystem } from "./ActorSystem.ts"
import { Slots } from "./Slots.ts"

const lookMs = 20
/** How long the log may take to note what was interrupted; what it does not note will count as cut off by a crash. */
const noteWithinMs = 500

/**
 * An orderly stop: no step begins any more, those that execute may finish for up to `drainMs`, and the rest are noted
 * as interrupted by a drain, which is no failure. Runs before the actors' own layers close.
 */
export class Drain extends Context.Service<
  Drain,
  {
    /**
     * The time to finish runs from now on, while whatever stands on the actors is still closing. Without it the time
     * runs from the layer's own end.
     */
    readonly begin: Effect.Effect<void>
  }
>()("kintsugi/actors/Drain") {
  static readonly layer = (drainMs: number) =>
    Layer.effect(
      Drain,
      Effect.gen(function* () {
        const slots = yield* Slots
        const system = yield* ActorSystem
        const clock = yield* Clock.Clock
        let until: number | undefined
        const begin = () => {
          slots.close()
          until ??= clock.currentTimeMillisUnsafe() + drainMs
          return until
        }
        yield* Effect.addFinalizer(() =>
          Effect.gen(function* () {
            const end = begin()
            while (slots.stats().executing > 0 && clock.currentTimeMillisUnsafe() < end) {
              yield* Effect.sleep(Duration.millis(lookMs))
            }
            const left = slots.stats().executing
            if (left > 0) yield* Effect.logInfo(`${left} steps did not finish within ${drainMs} ms and are interrupted`)
            yield* Effect.forEach([...system.local.values()], ({ drain }) => drain, {
              concurrency: "unbounded",
              discard: true
            }).pipe(Effect.timeoutOption(Duration.millis(noteWithinMs)), Effect.ignore)
          })
        )
        return Drain.of({ begin: Effect.sync(() => void begin()) })
      })
    )
}
