import { DateTime } from "effect"
import type { Rollup } from "./rollup.ts"

/** What is to be looked at: an instrument beyond a limit, or one that has fallen silent. */
export type Flag = {
  readonly instrumentId: string
  readonly kind: "anomaly" | "silent"
  readonly reason: string
  readonly firstSample: string | null
  readonly lastSample: string
}

/** What `alerts.json` holds. */
export type Alerts = {
  readonly windowHours: number
  /** The window ends with the newest sample of the fleet: a replay sees what was seen at the time. */
  readonly from: string
  readonly to: string
  readonly instruments: number
  readonly flags: ReadonlyArray<Flag>
}

/**
 * Judges the newest rollup of each instrument, of which there is at least one: anomalies within the window are flagged,
 * and so is an instrument without a sample in it.
 */
export const alertsOf = (rollups: ReadonlyArray<Rollup>, windowHours: number): Alerts => {
  const to = rollups.map(({ lastSample }) => lastSample).reduce((left, right) => (left > right ? left : right))
  const from = timestamp(DateTime.subtract(DateTime.makeUnsafe(to), { hours: windowHours }))
  const flags = rollups.flatMap(({ anomalyWindow, instrumentId, lastSample }): ReadonlyArray<Flag> => {
    if (lastSample <= from) {
      const reason = `no sample for ${windowHours} hours or more`
      return [{ instrumentId, kind: "silent", reason, firstSample: null, lastSample }]
    }
    const { firstSample, lastSample: last, reason } = anomalyWindow
    if (reason === null || last === null || last <= from) return []
    return [{ instrumentId, kind: "anomaly", reason, firstSample, lastSample: last }]
  })
  return { windowHours, from, to, instruments: rollups.length, flags }
}

/** As the instruments write it: without fractions of a second, so that texts compare as times do. */
const timestamp = (at: DateTime.DateTime): string => `${DateTime.formatIso(at).slice(0, 19)}Z`
