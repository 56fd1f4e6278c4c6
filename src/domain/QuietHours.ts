import { DateTime, Option } from "effect"

const minuteMs = 60_000
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
  const zone = DateTime.zoneMakeNamed(window.timezone)
  const zoned = Option.flatMap(zone, (named) => DateTime.makeZoned(atMs, { timeZone: named }))
  if (Option.isNone(zoned)) return false
  const { hour, minute } = DateTime.toParts(zoned.value)
  const now = hour * 60 + minute
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
