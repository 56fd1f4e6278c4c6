import { Result } from "effect"
import type { Partitioning } from "./Definition.ts"
import type { Problem } from "./JsonBounds.ts"
import { defaultFormats, type WindowFormat, windowFormat } from "./WindowFormat.ts"
import { clockFrame, clockFrames, type Dates, dateFrame, datesNamed, type Frame, firstShown } from "./WindowFrames.ts"
import { zoneOffsets } from "./ZoneOffsets.ts"

/**
 * Windows of time in a time zone (F64, T19). They follow the zone's clock and tile time without gap or overlap:
 *
 * - A day, week (from Monday) or month begins at the first instant at which the clock has reached its midnight, and ends
 *   where the next one begins. So a day has 23 or 25 hours where clocks change, begins at 01:00 where they skip
 *   midnight, and is no window at all where the calendar leaves it out (Samoa, 2011-12-30).
 * - An hour or minute is a stretch of time in which the clock shows it. Where the clock is put back, both times are
 *   windows: the first has the plain key, the later one bears its distance from UTC behind it, also with a format of the
 *   user's: `2026-10-25T02` and `2026-10-25T02+01:00`. An hour that the clock skips is no window.
 *
 * Instants are epoch ms, of the years 1 to 9998; beyond them, or for a spec that has `specProblems`, functions throw a
 * RangeError.
 */
export type Spec = Omit<Extract<Partitioning, { readonly type: "timeWindow" }>, "type">

/** `start <= instant < end`, in epoch ms. */
export interface Window {
  readonly key: string
  readonly start: number
  readonly end: number
}

/** Earliest and latest instant that has windows: 0001-01-01 and 9998-12-31, UTC. */
export const instantMsMin = -62_135_596_800_000
export const instantMsMax = 253_370_764_799_999

/** Every reason why there can be no such windows: the zone, or a format that does not name each window exactly once. */
export const specProblems = (spec: Spec): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  if (zoneOffsets(spec.timezone) === undefined) {
    problems.push({ path: "timezone", message: `"${spec.timezone}" is not an IANA time zone such as Europe/London` })
  }
  const format = windowFormat(spec.format ?? defaultFormats[spec.granularity], spec.granularity)
  if (Result.isFailure(format)) problems.push({ path: "format", message: format.failure })
  return problems
}

/** The window that holds the instant. */
export const windowAt = (spec: Spec, atMs: number): Window => {
  const calendar = calendarOf(spec)
  const { last } = calendar
  if (last !== undefined && atMs >= last.start && atMs < last.end) return last
  const frame = frameAt(calendar, atMs)
  const window = windowFrom(calendar, frame)
  calendar.last = window
  return window
}

/** The window of a key; only the very key that `windowAt` gives is one. Fails with what it would have to look like. */
export const windowOf = (spec: Spec, key: string): Result.Result<Window, string> => {
  const calendar = calendarOf(spec)
  const { format, unitMs, zone } = calendar
  const plain = format.read(key)
  const marked = plain === undefined && unitMs !== undefined ? format.read(key.replace(mark, "")) : undefined
  const localMs = plain ?? marked
  const frames = localMs === undefined ? [] : framesNamed(calendar, localMs)
  if (localMs === undefined || !frames.every(({ end, start }) => end > instantMsMin && start <= instantMsMax)) {
    const example = windowAt(spec, exampleMs).key
    const text = spec.format ?? defaultFormats[spec.granularity]
    return Result.fail(
      `must name ${spec.granularity === "hour" ? "an" : "a"} ${spec.granularity} as in ${JSON.stringify(example)} (${text}), not ${JSON.stringify(key)}`
    )
  }
  const windows = frames.map((frame) => windowFrom(calendar, frame))
  const found = windows.find((window) => window.key === key)
  if (found !== undefined) return Result.succeed(found)
  const keys = windows.map((window) => JSON.stringify(window.key))
  return Result.fail(
    keys.length === 0
      ? `names no ${spec.granularity}: clocks in ${zone.id} skip ${JSON.stringify(key)}`
      : `must be written ${keys.join(" or ")}, not ${JSON.stringify(key)}`
  )
}

/** The window that begins where this one ends. */
export const next = (spec: Spec, window: Window): Window => windowAt(spec, window.end)

/** The window that ends where this one begins. */
export const previous = (spec: Spec, window: Window): Window => windowAt(spec, window.start - 1)

/** The newest `count` windows, newest first; the newest is the one that holds the instant, complete or not. */
export const windowsBack = (spec: Spec, atMs: number, count: number): ReadonlyArray<Window> => {
  const windows: Array<Window> = []
  for (let at = atMs; windows.length < count && at >= instantMsMin; ) {
    const window = windowAt(spec, at)
    windows.push(window)
    at = window.start - 1
  }
  return windows
}

/** Where the oldest of `windowsBack(spec, atMs, count)` starts, without their keys; `count` of at least 1. */
export const startBack = (spec: Spec, atMs: number, count: number): number => {
  const calendar = calendarOf(spec)
  const current = frameAt(calendar, atMs)
  const known = calendar.back
  if (known?.count === count && known.newest.start === current.start) return known.start
  // As time goes by this is asked again and again: one window further there is one less at the end.
  let start = current.start
  if (known?.count === count && known.newest.end === current.start) start = frameAt(calendar, known.start).end
  else {
    for (let left = count - 1; left > 0 && start > instantMsMin; left--) start = frameAt(calendar, start - 1).start
  }
  calendar.back = { count, newest: current, start }
  return start
}

/** Where the last of `count` windows ends, the first being the one that holds the instant; stops beyond `untilMs`. */
export const endForth = (spec: Spec, atMs: number, count: number, untilMs: number): number => {
  const calendar = calendarOf(spec)
  let { end } = frameAt(calendar, atMs)
  for (let left = count - 1; left > 0 && end <= untilMs; left--) end = frameAt(calendar, end).end
  return end
}

/** Longest window of each kind, but for the days around a change of clocks, in ms. */
const usualMsMax: { readonly [granularity in Spec["granularity"]]: number } = {
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 7 * 86_400_000,
  month: 31 * 86_400_000
}
/** Clocks change so seldom that this part of a time consists of usual windows. */
const usualShare = 0.98

/** At least so many windows lie between two instants; found without looking at any. */
const countAtLeast = ({ granularity }: Spec, fromMs: number, toMs: number): number =>
  Math.max(0, Math.floor(((toMs - fromMs) / usualMsMax[granularity]) * usualShare) - 2)

/** The windows that share an instant with `fromMs <= instant < toMs`, oldest first. Fails when they are more than `max`. */
export const windowsBetween = (
  spec: Spec,
  fromMs: number,
  toMs: number,
  max: number
): Result.Result<ReadonlyArray<Window>, string> => {
  const least = countAtLeast(spec, fromMs, toMs)
  if (least > max) return Result.fail(`must span at most ${max} windows: there are more than ${least}`)
  const windows: Array<Window> = []
  for (let at = fromMs; at < toMs; ) {
    const window = windowAt(spec, at)
    if (windows.length === max) return Result.fail(`must span at most ${max} windows: ${window.key} is beyond`)
    windows.push(window)
    at = window.end
  }
  return Result.succeed(windows)
}

/** Whether both have the same windows; their keys may be written differently. */
export const isSameCalendar = (one: Spec, other: Spec): boolean =>
  one.granularity === other.granularity && calendarOf(one).zone.id === calendarOf(other).zone.id

// ------------------------------------------------------------------------------------------------------ calendars

/** 2026-03-30T00:00Z, for messages. */
const exampleMs = 1_774_828_800_000

/** The distance from UTC behind the key of a repeated hour or minute. */
const mark = /[+-]\d{2}:\d{2}(?::\d{2})?$/

/** What follows from a spec, and what was computed last: caches, which change no answer. */
interface Calendar extends Dates {
  /** Undefined for days, weeks and months, whose length varies. */
  readonly unitMs: number | undefined
  readonly format: WindowFormat
  last: Window | undefined
  back: { readonly count: number; readonly newest: Frame; readonly start: number } | undefined
}

const calendars = new WeakMap<Spec, Calendar>()

const calendarOf = (spec: Spec): Calendar => {
  const known = calendars.get(spec)
  if (known !== undefined) return known
  const zone = zoneOffsets(spec.timezone)
  const format = windowFormat(spec.format ?? defaultFormats[spec.granularity], spec.granularity)
  if (zone === undefined || Result.isFailure(format)) {
    throw new RangeError(
      specProblems(spec)
        .map(({ message, path }) => `${path}: ${message}`)
        .join("; ")
    )
  }
  const { granularity } = spec
  const unitMs = granularity === "minute" ? 60_000 : granularity === "hour" ? 3_600_000 : undefined
  const calendar: Calendar = {
    granularity,
    unitMs,
    zone,
    format: format.success,
    starts: new Map(),
    last: undefined,
    back: undefined
  }
  calendars.set(spec, calendar)
  return calendar
}

/**
 * A window of the first or the last day reaches beyond what has windows, by the distance of its zone from UTC: it is
 * cut there, so that each of its instants has a window.
 */
const windowFrom = (calendar: Calendar, frame: Frame): Window => ({
  key: keyOf(calendar, frame),
  start: Math.max(frame.start, instantMsMin),
  end: Math.min(frame.end, instantMsMax + 1)
})

const frameAt = (calendar: Calendar, atMs: number): Frame => {
  if (!(atMs >= instantMsMin && atMs <= instantMsMax)) {
    throw new RangeError(`${atMs} is no instant in ms of the years 1 to 9998`)
  }
  return calendar.unitMs === undefined ? dateFrame(calendar, atMs) : clockFrame(calendar.zone, calendar.unitMs, atMs)
}

const framesNamed = (calendar: Calendar, localMs: number): ReadonlyArray<Frame> =>
  calendar.unitMs === undefined ? datesNamed(calendar, localMs) : clockFrames(calendar.zone, calendar.unitMs, localMs)

const keyOf = ({ format, unitMs, zone }: Calendar, { localMs, start }: Frame): string => {
  const key = format.write(localMs)
  return unitMs === undefined || firstShown(zone, localMs, unitMs) === start
    ? key
    : key + markOf(zone.at(start).offsetMs)
}

const markOf = (offsetMs: number): string => {
  const seconds = Math.abs(offsetMs) / 1000
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  const shown = parts[2] === 0 ? parts.slice(0, 2) : parts
  return (offsetMs < 0 ? "-" : "+") + shown.map((part) => String(part).padStart(2, "0")).join(":")
}
