import { zoneOffsets } from "./ZoneOffsets.ts"

const minuteMs = 60_000
const dayMs = 86_400_000
/** A window of less than a day is over after at most this many minutes, daylight saving included. */
const minutesMax = 26 * 60

/** Every day from `from` until `to` ("HH:mm") by the clock of `timezone`; `to` before `from` ends on the next day. */
export interface QuietWindow {
  readonly from: string
  readonly to: string
  readonly timezone: string
}

const minutesOf = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3))

const isQuiet = (window: QuietWindow, atMs: number): boolean => {
  const zone = zoneOffsets(window.timezone)
  if (zone === undefined) return false
  const now = Math.floor(((((atMs + zone.at(atMs).offsetMs) % dayMs) + dayMs) % dayMs) / minuteMs)
  const from = minutesOf(window.from)
  const to = minutesOf(window.to)
  return from <= to ? now >= from && now < to : now >= from || now < to
}

/** What is wrong with them all together, or undefined: on no day of the year is any minute free. */
export const quietHoursFault = (windows: ReadonlyArray<QuietWindow>): string | undefined => {
  // One day of either half of a year: zones differ in when their clocks change.
  const never = [winterMs, summerMs].every((at) => {
    const until = quietUntil(windows, at)
    return until !== null && quietUntil(windows, until) !== null
  })
  return never ? "must leave a minute of the day free: automatic runs would never start" : undefined
}

/** 2026-01-15 and 2026-07-15, 00:00 UTC. */
const winterMs = 1_768_435_200_000
const summerMs = 1_784_073_600_000

/**
 * When automatic runs may start again, epoch ms: the first whole minute after `atMs` that no window covers; null: they
 * may start now. Windows that leave no minute of a day free hold for a day at a time.
 */
export const quietUntil = (windows: ReadonlyArray<QuietWindow>, atMs: number): number | null => {
  const covers = (at: number) => windows.some((window) => isQuiet(window, at))
  if (!covers(atMs)) return null
  const first = Math.floor(atMs / minuteMs) + 1
  for (let minute = first; minute < first + minutesMax; minute++) {
    if (!covers(minute * minuteMs)) return minute * minuteMs
  }
  return (first + minutesMax) * minuteMs
}
