import { Clock, Context, Duration, Effect, Layer } from "effect"

const tickMs = 250
/** A pause of the event loop that is worth a line in the log. */
const noticeMs = 2_000

/**
 * Notices when a job keeps the event loop to itself: everything else of the process stands still meanwhile.
 */
export class LoopWatch extends Context.Service<
  LoopWatch,
  {
    /** How long the loop has been blocked, or was at the last look, ms. */
    readonly blockedMs: () => number
    /** Names what executes now, for the line in the log. */
    readonly executing: Set<string>
  }
>()("kintsugi/actors/LoopWatch") {
  static readonly layer = Layer.effect(
    LoopWatch,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const executing = new Set<string>()
      let lastTick = clock.currentTimeMillisUnsafe()
      let blockedMs = 0
      yield* Effect.forkScoped(
        Effect.gen(function* () {
          while (true) {
            yield* Effect.sleep(Duration.millis(tickMs))
            const now = clock.currentTimeMillisUnsafe()
            blockedMs = Math.max(0, now - lastTick - tickMs)
            lastTick = now
            if (blockedMs >= noticeMs) {
              yield* Effect.logWarning(`the event loop was blocked for ${blockedMs} ms`, [...executing].slice(0, 20))
            }
          }
        })
      )
      return LoopWatch.of({
        blockedMs: () => Math.max(blockedMs, clock.currentTimeMillisUnsafe() - lastTick - tickMs),
        executing
      })
    })
  )
}
