import { Clock, Duration, Effect } from "effect"
import { quietUntil } from "../domain/QuietHours.ts"
import type { Check } from "../domain/integrity/IntegrityState.ts"
import { IntegritySettings } from "./IntegritySettings.ts"
import { sleepUntil } from "./sleepUntil.ts"
import { Slots } from "./Slots.ts"

/** A step that waits for a slot goes first: a check stands back for as long, and at most so long for each few assets. */
const standBackMs = 100
const standBackMsMax = 1_000

/** How fast a check may go on, and when. */
export const make = Effect.gen(function* () {
  const slots = yield* Slots
  const { assetsPerSecond, window } = yield* IntegritySettings
  let nextAt = 0

  /** Waits for the window in which checks may go on that nobody has asked for. */
  const awaitWindow = (reason: Check["reason"]) =>
    Effect.gen(function* () {
      if (window === null || reason === "requested") return
      while (true) {
        const closed = { from: window.to, to: window.from, timezone: window.timezone }
        const opensAt = quietUntil([closed], yield* Clock.currentTimeMillis)
        if (opensAt === null) return
        yield* sleepUntil(opensAt)
      }
    })

  /** Waits for the turn of `count` assets, at the rate that is set; steps that wait for a slot go first. */
  const turn = (count: number) =>
    Effect.gen(function* () {
      for (let waited = 0; waited < standBackMsMax && slots.stats().waiting > 0; waited += standBackMs) {
        yield* Effect.sleep(Duration.millis(standBackMs))
      }
      const now = yield* Clock.currentTimeMillis
      const begins = Math.max(now, nextAt)
      nextAt = begins + (count * 1_000) / assetsPerSecond
      if (begins > now) yield* Effect.sleep(Duration.millis(begins - now))
    })

  return { awaitWindow, turn }
})
