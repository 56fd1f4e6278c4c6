import { Cron, Result } from "effect"
import type { Definition } from "./Definition.ts"
import * as Id from "./Id.ts"
import { instantMsMax, instantMsMin } from "./TimeWindow.ts"
import { firstReached, type ZoneOffsets, zoneOffsets } from "./ZoneOffsets.ts"

/**
 * When a schedule is due. A cron expression speaks of the clock of its zone; where that clock is changed,
 *
 * - one with given hours (`30 2 * * *`) is due once for each time that it names: at the first of two equal times, and
 *   as soon as the clock goes on where it skips the time, so that no day is lost and none counts twice;
 * - one for every hour (`0 * * * *`) follows the time that passes: it is due in both of two equal hours, and in none
 *   that is skipped.
 *
 * `Cron` finds the times of the clock, without a zone; which instants they are is decided here. Instants are epoch ms.
 */
export type Spec = NonNullable<Definition["schedule"]>

/** The occurrences to start, oldest first, and how many others were due and are left out. */
export interface Due {
  readonly occurrences: ReadonlyArray<number>
  /** At most `skippedMax`: then there may be more. */
  readonly skipped: number
}

/** As far as skipped occurrences are counted. */
export const skippedMax = 1000

/** What is wrong with the cron expression or the zone, or undefined. A day that never comes (February 30) is a fault. */
export const scheduleFault = (spec: Spec): string | undefined => {
  if (zoneOffsets(spec.timezone) === undefined) return `timezone "${spec.timezone}" is not an IANA time zone`
  const cron = Cron.parse(spec.cron, "UTC")
  if (Result.isFailure(cron)) return `cron "${spec.cron}" is not a cron expression: ${cron.failure.message}`
  return nextTime(cron.success, 0) === undefined ? `cron "${spec.cron}" names a day that never comes` : undefined
}

/** The first occurrence after the instant; undefined when there is none before the year 9999. */
export const next = (spec: Spec, afterMs: number): number | undefined => {
  const { cron, isHourly, zone } = timetableOf(spec)
  return isHourly ? nextHourly(cron, zone, afterMs) : nextNamed(cron, zone, afterMs)
}

/**
 * What is due of the occurrences in `lastMs < occurrence <= nowMs`: with `catchUp` the newest `maxCatchUp`, else the
 * newest one. The others are counted as skipped.
 */
export const due = (spec: Spec, lastMs: number, nowMs: number, maxCatchUp: number): Due => {
  const count = spec.catchUp ? Math.max(1, maxCatchUp) : 1
  const occurrences = newest(spec, lastMs, nowMs, count)
  const first = occurrences[0]
  return { occurrences, skipped: first === undefined ? 0 : between(spec, lastMs, first - 1, skippedMax).length }
}

/**
 * The run key of an occurrence, so that schedulers that compete start one run: `<slug>@<instant in ISO 8601>`. Of a
 * slug too long for a run key its hash stands there.
 */
export const occurrenceKey = (slug: string, atMs: number): string => {
  const at = `@${new Date(atMs).toISOString()}`
  return (slug.length + at.length <= runKeyLengthMax ? slug : Id.ofParts(slug)) + at
}

/** Longest run key, in characters. */
const runKeyLengthMax = 120

interface Timetable {
  /** Of the clock: to be asked in UTC. */
  readonly cron: Cron.Cron
  readonly zone: ZoneOffsets
  readonly isHourly: boolean
}

const timetables = new WeakMap<Spec, Timetable>()

const timetableOf = (spec: Spec): Timetable => {
  const known = timetables.get(spec)
  if (known !== undefined) return known
  const cron = Cron.parse(spec.cron, "UTC")
  const zone = zoneOffsets(spec.timezone)
  if (zone === undefined || Result.isFailure(cron)) throw new RangeError(scheduleFault(spec))
  // No hours: each of them.
  const { size } = cron.success.hours
  const timetable = { cron: cron.success, zone, isHourly: size === 0 || size === 24 }
  timetables.set(spec, timetable)
  return timetable
}

/** The first time that the clock shows after `localMs`, in ms, or undefined. */
const nextTime = (cron: Cron.Cron, localMs: number): number | undefined => {
  if (!(localMs >= instantMsMin && localMs <= instantMsMax)) return undefined
  try {
    const found = Cron.next(cron, localMs).getTime()
    return found <= instantMsMax ? found : undefined
  } catch {
    // Cron gives up after 10,000 steps: there is no such day.
    return undefined
  }
}

const nextNamed = (cron: Cron.Cron, zone: ZoneOffsets, afterMs: number): number | undefined => {
  let localMs = nextTime(cron, afterMs + zone.at(afterMs).offsetMs)
  while (localMs !== undefined) {
    const found = firstReached(zone, localMs)
    if (found > afterMs) return found
    // The clock was put back, and this time has been before.
    localMs = nextTime(cron, localMs)
  }
  return undefined
}

const nextHourly = (cron: Cron.Cron, zone: ZoneOffsets, afterMs: number): number | undefined => {
  let from = afterMs + 1
  let stretch = zone.at(from)
  let localMs = nextTime(cron, afterMs + stretch.offsetMs)
  while (localMs !== undefined) {
    if (localMs - stretch.offsetMs < stretch.until) return localMs - stretch.offsetMs
    from = stretch.until
    const later = zone.at(from)
    if (later.offsetMs !== stretch.offsetMs) localMs = nextTime(cron, from + later.offsetMs - 1)
    stretch = later
  }
  return undefined
}

/** The oldest of the occurrences in `lastMs < occurrence <= nowMs`, at most `max`, oldest first. */
const between = (spec: Spec, lastMs: number, nowMs: number, max: number): Array<number> => {
  const found: Array<number> = []
  let at = next(spec, lastMs)
  while (at !== undefined && at <= nowMs && found.length < max) {
    found.push(at)
    at = next(spec, at)
  }
  return found
}

/** The newest of them, at most `max`, oldest first. Looks back twice as far until there are enough, then halves. */
const newest = (spec: Spec, lastMs: number, nowMs: number, max: number): ReadonlyArray<number> => {
  const fewEnough = max * 2 + 16
  // After `few` there are too few, after `from` perhaps far too many: a month of minutes, a year ago.
  let few = nowMs
  let from = Math.max(lastMs, nowMs - 60_000)
  while (true) {
    const found = between(spec, from, nowMs, fewEnough)
    if (found.length < max && from > lastMs) {
      few = from
      from = Math.max(lastMs, nowMs - (nowMs - from) * 2)
    } else if (found.length < fewEnough) return found.slice(-max)
    else {
      const middle = Math.floor((from + few) / 2)
      if (between(spec, middle, nowMs, max).length < max) few = middle
      else from = middle
    }
  }
}
