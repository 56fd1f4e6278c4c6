import type { Granularity } from "./WindowFormat.ts"
import { firstReached, offsetMsMax, type ZoneOffsets } from "./ZoneOffsets.ts"

const dayMs = 86_400_000
/** How many starts of days, weeks or months are remembered for one `Dates`. */
const startsRemembered = 10_000

/** A window without its key. `localMs`: the beginning of what it is named after, on the clock of the zone. */
export interface Frame {
  readonly localMs: number
  readonly start: number
  readonly end: number
}

/** The days, weeks or months of a zone. `starts` is a cache, empty at first. */
export interface Dates {
  readonly granularity: Granularity
  readonly zone: ZoneOffsets
  readonly starts: Map<number, number>
}

// ----------------------------------------------------------------------------------------- days, weeks and months

/** Days since 1970-01-01, weeks since the one of 1970-01-01, or months since January of year 0. */
const dateNumber = (granularity: Granularity, localMs: number): number => {
  const day = Math.floor(localMs / dayMs)
  if (granularity === "day") return day
  if (granularity === "week") return Math.floor((day + 3) / 7)
  const date = new Date(localMs)
  return date.getUTCFullYear() * 12 + date.getUTCMonth()
}

const dateLocal = (granularity: Granularity, number: number): number => {
  if (granularity === "day") return number * dayMs
  if (granularity === "week") return (number * 7 - 3) * dayMs
  return new Date(0).setUTCFullYear(Math.floor(number / 12), number - Math.floor(number / 12) * 12, 1)
}

const dateBounds = (dates: Dates, number: number) => ({
  start: dateStart(dates, number),
  end: dateStart(dates, number + 1)
})

/** The first instant at which the clock has reached the date. Never earlier for a later date, so that windows tile. */
const dateStart = ({ granularity, starts, zone }: Dates, number: number): number => {
  const known = starts.get(number)
  if (known !== undefined) return known
  const reached = firstReached(zone, dateLocal(granularity, number))
  if (starts.size >= startsRemembered) starts.clear()
  starts.set(number, reached)
  return reached
}

/** The day, week or month of a local time: one, or none where the calendar leaves it out. */
export const datesNamed = (dates: Dates, localMs: number): ReadonlyArray<Frame> => {
  const number = dateNumber(dates.granularity, localMs)
  const frame = { localMs: dateLocal(dates.granularity, number), ...dateBounds(dates, number) }
  return frame.start < frame.end ? [frame] : []
}

/** The day, week or month that holds the instant. */
export const dateFrame = (dates: Dates, atMs: number): Frame => {
  let number = dateNumber(dates.granularity, atMs + dates.zone.at(atMs).offsetMs)
  // Where the clock went back over midnight it shows the old date again, but the new one has begun.
  while (dateStart(dates, number + 1) <= atMs) number++
  return { localMs: dateLocal(dates.granularity, number), ...dateBounds(dates, number) }
}

// ---------------------------------------------------------------------------------------------- hours and minutes

/** The hour or minute (`unitMs` long on the clock) that holds the instant. */
export const clockFrame = (zone: ZoneOffsets, unitMs: number, atMs: number): Frame => {
  const here = zone.at(atMs)
  const localMs = Math.floor((atMs + here.offsetMs) / unitMs) * unitMs
  let start = localMs - here.offsetMs
  for (let later = here; start < later.from; ) {
    const earlier = zone.at(later.from - 1)
    const isShown = later.from - 1 + earlier.offsetMs >= localMs
    if (earlier.offsetMs > later.offsetMs || !isShown) start = later.from
    else start = localMs - earlier.offsetMs
    if (start === later.from) break
    later = earlier
  }
  let end = localMs + unitMs - here.offsetMs
  for (let earlier = here; end > earlier.until; ) {
    const later = zone.at(earlier.until)
    const isShown = earlier.until + later.offsetMs < localMs + unitMs
    if (later.offsetMs < earlier.offsetMs || !isShown) end = earlier.until
    else end = localMs + unitMs - later.offsetMs
    if (end === earlier.until) break
    earlier = later
  }
  return { localMs, start, end }
}

/** The first instant at which the clock shows the hour or minute that begins at `localMs`; there must be one. */
export const firstShown = (zone: ZoneOffsets, localMs: number, unitMs: number): number => {
  let at = localMs - offsetMsMax
  while (true) {
    const { offsetMs, until } = zone.at(at)
    const reached = Math.max(at, localMs - offsetMs)
    if (reached < until && reached + offsetMs < localMs + unitMs) return reached
    at = until
  }
}

/** Each window in which the clock shows the hour or minute of `localMs`, in the order of time. */
export const clockFrames = (zone: ZoneOffsets, unitMs: number, localMs: number): ReadonlyArray<Frame> => {
  const begin = Math.floor(localMs / unitMs) * unitMs
  const frames: Array<Frame> = []
  for (let at = begin - offsetMsMax; at < begin + unitMs + offsetMsMax; ) {
    const { offsetMs, until } = zone.at(at)
    const reached = Math.max(at, begin - offsetMs)
    if (reached < until && reached + offsetMs < begin + unitMs) {
      const frame = clockFrame(zone, unitMs, reached)
      if (frames[frames.length - 1]?.start !== frame.start) frames.push(frame)
    }
    at = until
  }
  return frames
}
