import { instruments, parseMinute } from "./instruments.ts"
import type { Reading } from "./readings.ts"

/** How the readings of an instrument are to be corrected, from a minute on. */
export type Calibration = {
  readonly instrument: string
  /** First minute, such as `2026-01-01T00-00`. */
  readonly from: string
  /** Added to each temperature, degrees Celsius. */
  readonly temperatureOffsetC: number
  /** Each PM2.5 value is multiplied by it, above 0. */
  readonly pm25Factor: number
}

/** The file that the laboratory delivers for an instrument, in the store `calibrations`. */
export const calibrationKey = (instrumentId: string): string => `${instrumentId}.json`

/** Reads the calibration of an instrument; throws naming the file and the field that is wrong. */
export const parseCalibration = (file: string, instrumentId: string, text: string): Calibration => {
  const fault = (field: string, right: string) => new Error(`${file}: ${field} must be ${right}`)
  const { from, instrument, pm25Factor, temperatureOffsetC } = fieldsOf(file, text)
  if (!instruments.some(({ id }) => id === instrumentId)) throw new Error(`there is no instrument ${instrumentId}`)
  if (instrument !== instrumentId) throw fault("instrument", `"${instrumentId}"`)
  if (typeof from !== "string") throw fault("from", "a minute such as 2026-01-01T00-00")
  if (typeof temperatureOffsetC !== "number") throw fault("temperatureOffsetC", "a number")
  if (typeof pm25Factor !== "number" || pm25Factor <= 0) throw fault("pm25Factor", "a number above 0")
  return { instrument: instrumentId, from: parseMinute(from).key, temperatureOffsetC, pm25Factor }
}

/** The minutes whose readings it corrects, oldest first. */
export const correctedMinutes = ({ from }: Calibration, minutes: ReadonlyArray<string>): ReadonlyArray<string> =>
  minutes.filter((minute) => minute >= from).toSorted()

/** The reading as it would have been measured with the calibrations, of which each instrument has at most one. */
export const calibrated = (reading: Reading, minute: string, calibrations: ReadonlyArray<Calibration>): Reading => {
  const own = calibrations.find(({ from, instrument }) => instrument === reading.instrument_id && minute >= from)
  if (own === undefined) return reading
  return {
    ...reading,
    temperature_c: Number((reading.temperature_c + own.temperatureOffsetC).toFixed(2)),
    pm2_5_ug_m3: Number((reading.pm2_5_ug_m3 * own.pm25Factor).toFixed(2))
  }
}

const fieldsOf = (file: string, text: string): Partial<Record<keyof Calibration, unknown>> => {
  try {
    return (JSON.parse(text) as Partial<Record<keyof Calibration, unknown>> | null) ?? {}
  } catch (cause) {
    throw new Error(`${file}: is no JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
