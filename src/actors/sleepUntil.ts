import { Clock, Duration, Effect } from "effect"

/** A timer of the system takes at most 2^31 - 1 ms; a longer sleep is several. */
const napMsMax = 86_400_000

/**
 * Sleeps until the clock says `dueAt` (epoch ms) or later; at once when that is past. A timer of the system may fire a
 * millisecond early: what is decided by the clock would then find that nothing is due yet.
 */
export const sleepUntil = (dueAt: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    dueAt > now
      ? Effect.flatMap(Effect.sleep(Duration.millis(Math.min(dueAt - now, napMsMax))), () => sleepUntil(dueAt))
      : Effect.void
  )
