import { Context } from "effect"
import type { QuietWindow } from "../domain/QuietHours.ts"

/** How assets are checked. */
export interface IntegrityOptions {
  /** Checks begin by themselves: at start, on the schedule, after recoveries, and when a store has come back. */
  readonly isAutomatic: boolean
  /** Between two checks of everything, ms; 0: none by the clock. */
  readonly intervalMs: number
  /** Assets that a check looks at in a second, at most. */
  readonly assetsPerSecond: number
  /** Checks by the clock compare checksums, too. */
  readonly isDeep: boolean
  /** When checks that nobody asked for may go on; null: always. */
  readonly window: QuietWindow | null
  /** What is younger than this is still under way and nothing to judge, ms. */
  readonly toleranceMs: number
  /** Checks that have to find the same before it is escalated. */
  readonly escalateAfter: number
  /** How long after a start its check begins, and how long after a recovery the one that follows it, ms. */
  readonly settleMs: number
}

export const integrityDefaults: IntegrityOptions = {
  isAutomatic: true,
  intervalMs: 3_600_000,
  assetsPerSecond: 500,
  isDeep: false,
  window: null,
  toleranceMs: 60_000,
  escalateAfter: 3,
  settleMs: 5_000
}

export class IntegritySettings extends Context.Service<IntegritySettings, IntegrityOptions>()(
  "kintsugi/actors/IntegritySettings"
) {}

/** How long findings count as fresh without a schedule, ms. */
const freshMsDefault = 3_600_000

/** How long the findings of a check of everything count as fresh, ms. */
export const freshMsOf = ({ intervalMs }: IntegrityOptions): number =>
  // A check that takes a while begins on time and ends later.
  intervalMs === 0 ? freshMsDefault : intervalMs * 2
