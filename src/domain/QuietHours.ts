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
