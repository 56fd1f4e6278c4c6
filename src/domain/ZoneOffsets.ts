import { DateTime, Option } from "effect"

const dayMs = 86_400_000

/** How far local time may be from UTC, in ms: no zone was ever more than 15:57 away. */
export const offsetMsMax = 16 * 3_600_000

/** What is asked about at once: no zone has changed twice within four days (tzdata 2025b). */
const spanMs = 3 * dayMs
/** How many spans a zone remembers (164 years); then it starts anew. */
const spansRemembered = 20_000
/** How many zones are remembered: twice as many as the tz database has names. */
const zonesRemembered = 1200

/** A stretch of time with one distance from UTC: `local = instant + offsetMs` for `from <= instant < until`. */
export interface Stretch {
  readonly from: number
  readonly until: number
  readonly offsetMs: number
}

/** The offsets of one IANA zone. Asking the runtime costs some 10 µs an instant: each span of days is asked about once. */
export interface ZoneOffsets {
  readonly id: string
  /** The stretch that holds the instant. It may end without any change there. */
  readonly at: (instantMs: number) => Stretch
}

/** The offsets of a zone, or undefined when no such zone is known. Names are compared without case, as the tz database. */
export const zoneOffsets = (zoneId: string): ZoneOffsets | undefined => {
  const known = zones.get(zoneId)
  if (known !== undefined) return known
  const zone = Option.getOrUndefined(DateTime.zoneMakeNamed(zoneId))
  if (zone === undefined) return undefined
  if (zones.size >= zonesRemembered) zones.clear()
  const made = zone.id === "UTC" ? utc : remembering(zone)
  zones.set(zoneId, made)
  return made
}

/** The first instant at which the clock of the zone has reached a local time, shown or skipped. */
export const firstReached = (zone: ZoneOffsets, localMs: number): number => {
  let at = localMs - offsetMsMax
  while (true) {
    const { offsetMs, until } = zone.at(at)
    const reached = Math.max(at, localMs - offsetMs)
    if (reached < until) return reached
    at = until
  }
}

const always: Stretch = { from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY, offsetMs: 0 }
const utc: ZoneOffsets = { id: "UTC", at: () => always }

/** A cache and nothing else: what is in it follows from the zone's name alone. */
const zones = new Map<string, ZoneOffsets>()

/** `next`: the offset right after it. */
interface Known extends Stretch {
  readonly next: number
}

const remembering = (zone: DateTime.TimeZone.Named): ZoneOffsets => {
  const offsetAt = (instantMs: number) => DateTime.zonedOffset(DateTime.makeZonedUnsafe(instantMs, { timeZone: zone }))
  const spans = new Map<number, ReadonlyArray<Known>>()
  const ofSpan = (span: number): ReadonlyArray<Known> => {
    const known = spans.get(span)
    if (known !== undefined) return known
    if (spans.size >= spansRemembered) spans.clear()
    // Where one span ends the next begins, which is asked about once.
    const before = spans.get(span - 1)?.at(-1)?.next ?? offsetAt(span * spanMs)
    const after = spans.get(span + 1)?.[0]?.offsetMs ?? offsetAt((span + 1) * spanMs)
    const made = stretches(span * spanMs, (span + 1) * spanMs, before, after, offsetAt)
    spans.set(span, made)
    return made
  }
  return {
    id: zone.id,
    at: (instantMs) => {
      const found = ofSpan(Math.floor(instantMs / spanMs))
      for (const stretch of found) if (instantMs < stretch.until) return stretch
      return found[found.length - 1]!
    }
  }
}

/** The stretches of a span, from its offsets at both ends. Changes fall on whole seconds. */
const stretches = (
  from: number,
  until: number,
  before: number,
  after: number,
  offsetAt: (instantMs: number) => number
): ReadonlyArray<Known> => {
  if (before === after) return [{ from, until, offsetMs: before, next: after }]
  // The change is after `early` and not after `late`.
  let early = from
  let late = until
  while (late - early > 1000) {
    const middle = early + Math.floor((late - early) / 2000) * 1000
    if (offsetAt(middle) === before) early = middle
    else late = middle
  }
  const first = { from, until: late, offsetMs: before, next: after }
  return late === until ? [first] : [first, { from: late, until, offsetMs: after, next: after }]
}
