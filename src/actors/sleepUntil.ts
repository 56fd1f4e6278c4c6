import { Clock, Duration, Effect } from "effect"

/**
 * Sleeps until the clock says `dueAt` (epoch ms) or later; at once when that is past. A timer of the system may fire a
 * millisecond early: what is decided by the clock would then find that nothing is due yet.
 */
export const sleepUntil = (dueAt: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    dueAt > now ? Effect.flatMap(Effect.sleep(Duration.millis(dueAt - now)), () => sleepUntil(dueAt)) : Effect.void
  )
