import { Result } from "effect"
import { partitionKeyLengthMax } from "./Partitioning.ts"

export type Granularity = "minute" | "hour" | "day" | "week" | "month"

/**
 * The format of each granularity when none is given. Letters are Unicode's (UTS 35) as date-fns writes them; `RRRR` and
 * `II` are the year and the week of ISO 8601.
 */
export const defaultFormats: { readonly [granularity in Granularity]: string } = {
  minute: "yyyy-MM-dd'T'HH:mm",
  hour: "yyyy-MM-dd'T'HH",
  day: "yyyy-MM-dd",
  week: "RRRR-'W'II",
  month: "yyyy-MM"
}

/** Longest mark behind the key of a repeated hour or minute: `-08:57:41` (see TimeWindow). */
const markLengthMax = 9

type Field =
  | "year"
  | "month"
  | "day"
  | "dayOfYear"
  | "weekYear"
  | "week"
  | "weekday"
  | "quarter"
  | "hour"
  | "minute"
  | "second"

/** A format that was understood. Local times are ms since 1970-01-01T00:00 on the clock of the zone. */
export interface WindowFormat {
  /** The text of a local time. Years are 0000 to 9999. */
  readonly write: (localMs: number) => string
  /** The local time of exactly such a text, or undefined; what the format does not hold is at its least. */
  readonly read: (text: string) => number | undefined
}

/** Reads a format. Fails with why it is none for such windows: unknown letters, keys that name two windows or none. */
export const windowFormat = (format: string, granularity: Granularity): Result.Result<WindowFormat, string> => {
  const parsed = partsOf(format)
  if (Result.isFailure(parsed)) return Result.fail(parsed.failure)
  const parts = parsed.success
  const fault = unreadable(parts) ?? indistinct(parts, granularity) ?? unfitting(parts, granularity)
  if (fault !== undefined) return Result.fail(fault)
  const tokens = parts.filter((part) => typeof part !== "string")
  const pattern = new RegExp(
    `^${parts.map((part) => (typeof part === "string" ? part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&") : `(${part.pattern})`)).join("")}$`,
    "u"
  )
  const write = (localMs: number): string => {
    const date = new Date(localMs)
    let text = ""
    for (const part of parts) text += typeof part === "string" ? part : part.write(date)
    return text
  }
  const read = (text: string): number | undefined => {
    const match = pattern.exec(text)
    if (match === null) return undefined
    const fields: { [field in Field]?: number } = {}
    for (const [index, { field, read }] of tokens.entries()) fields[field] ??= read(match[index + 1]!)
    const localMs = localTime(fields, granularity)
    // Whatever contradicts itself or the calendar (February 30, week 53 of a short year) is written otherwise.
    return write(localMs) === text ? localMs : undefined
  }
  return Result.succeed({ write, read })
}

interface Token {
  readonly field: Field
  readonly pattern: string
  /** Longest text, in characters. */
  readonly lengthMax: number
  /** Digits of no fixed number: a digit behind it could belong to it. */
  readonly isOpen: boolean
  readonly isDigits: boolean
  readonly write: (date: Date) => string
  readonly read: (text: string) => number
}

const dayMs = 86_400_000
/** Midnight of a date, month 1 to 12; unlike `Date.UTC` it takes the years 0 to 99 for what they are. */
const dateMs = (year: number, month: number, day: number): number => new Date(0).setUTCFullYear(year, month - 1, day)
const dayOfYear = (date: Date): number => Math.floor((date.getTime() - dateMs(date.getUTCFullYear(), 1, 1)) / dayMs) + 1
/** 1 Monday to 7 Sunday. */
const isoWeekday = (date: Date): number => date.getUTCDay() || 7
/** The Thursday of the same ISO week: its year is the week's. */
const thursday = (date: Date): Date => new Date(date.getTime() + (4 - isoWeekday(date)) * dayMs)

/** What a field is on a date of the zone's clock. */
const valueOf: { readonly [field in Field]: (date: Date) => number } = {
  year: (date) => date.getUTCFullYear(),
  month: (date) => date.getUTCMonth() + 1,
  day: (date) => date.getUTCDate(),
  dayOfYear,
  weekYear: (date) => thursday(date).getUTCFullYear(),
  week: (date) => Math.ceil(dayOfYear(thursday(date)) / 7),
  weekday: isoWeekday,
  quarter: (date) => Math.floor(date.getUTCMonth() / 3) + 1,
  hour: (date) => date.getUTCHours(),
  minute: (date) => date.getUTCMinutes(),
  second: (date) => date.getUTCSeconds()
}

const digits = (field: Field, length: number): Token => ({
  field,
  pattern: `\\d{${length}}`,
  lengthMax: length,
  isOpen: false,
  isDigits: true,
  write: (date) => String(valueOf[field](date)).padStart(length, "0"),
  read: Number
})

const number = (field: Field): Token => ({
  field,
  pattern: "0|[1-9]\\d?",
  lengthMax: 2,
  isOpen: true,
  isDigits: true,
  write: (date) => String(valueOf[field](date)),
  read: Number
})

/** `names[0]` is written for 1. */
const named = (field: Field, names: ReadonlyArray<string>): Token => ({
  field,
  pattern: names.join("|"),
  lengthMax: Math.max(...names.map(({ length }) => length)),
  isOpen: false,
  isDigits: false,
  write: (date) => names[valueOf[field](date) - 1]!,
  read: (text) => names.indexOf(text) + 1
})

const months = "January February March April May June July August September October November December".split(" ")
const weekdays = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(" ")
const short = (names: ReadonlyArray<string>) => names.map((name) => name.slice(0, 3))

const tokens: ReadonlyMap<string, Token> = new Map([
  ["yyyy", digits("year", 4)],
  ["MM", digits("month", 2)],
  ["M", number("month")],
  ["MMM", named("month", short(months))],
  ["MMMM", named("month", months)],
  ["dd", digits("day", 2)],
  ["d", number("day")],
  ["DDD", digits("dayOfYear", 3)],
  ["RRRR", digits("weekYear", 4)],
  ["II", digits("week", 2)],
  ["I", number("week")],
  ["i", digits("weekday", 1)],
  ["EEE", named("weekday", short(weekdays))],
  ["EEEE", named("weekday", weekdays)],
  ["Q", digits("quarter", 1)],
  ["HH", digits("hour", 2)],
  ["H", number("hour")],
  ["mm", digits("minute", 2)],
  ["m", number("minute")],
  ["ss", digits("second", 2)]
])

/** What is written instead of letters that other libraries have, and that would go wrong here. */
const instead: ReadonlyMap<string, string> = new Map([
  ["yy", 'use "yyyy": two digits do not tell the century'],
  ["y", 'use "yyyy"'],
  ["YYYY", 'use "yyyy", or "RRRR" for the year of the ISO week'],
  ["YY", 'use "yyyy"'],
  ["DD", 'use "dd" for the day of the month'],
  ["D", 'use "d" for the day of the month'],
  ["ww", 'use "II" for the ISO week'],
  ["w", 'use "I" for the ISO week'],
  ["WW", 'use "II" for the ISO week'],
  ["hh", 'use "HH": twelve hours do not tell morning from evening'],
  ["h", 'use "H": twelve hours do not tell morning from evening']
])

type Part = string | Token

const partsOf = (format: string): Result.Result<ReadonlyArray<Part>, string> => {
  const parts: Array<Part> = []
  const literal = (text: string) => {
    const last = parts[parts.length - 1]
    if (typeof last === "string") parts[parts.length - 1] = last + text
    else parts.push(text)
  }
  const pieces = /''|'((?:[^']|'')+)'|([A-Za-z])\2*|./gsu
  for (const [piece, quoted, letter] of format.matchAll(pieces)) {
    if (piece === "''") literal("'")
    else if (quoted !== undefined) literal(quoted.replaceAll("''", "'"))
    else if (letter !== undefined) {
      const token = tokens.get(piece)
      if (token === undefined) return Result.fail(unknown(piece))
      parts.push(token)
    } else if (piece === "'") return Result.fail("has a quote that is not closed: write '' for the quote itself")
    else literal(piece)
  }
  return Result.succeed(parts)
}

const unknown = (letters: string): string =>
  `has the unknown token "${letters}": ${
    instead.get(letters) ?? `known are ${[...tokens.keys()].join(", ")}; other text goes in quotes, as in 'T'`
  }`

/** Whether some key could be read in two ways. */
const unreadable = (parts: ReadonlyArray<Part>): string | undefined => {
  for (const [index, part] of parts.entries()) {
    if (typeof part === "string" || !part.isOpen) continue
    const next = parts[index + 1]
    if (next === undefined || (typeof next === "string" ? !/^\d/.test(next) : !next.isDigits)) continue
    return `makes keys that cannot be read back: the ${part.field} has one or two digits and more digits follow; write it with two`
  }
  return undefined
}

const needed: { readonly [granularity in Granularity]: string } = {
  month: "yyyy and MM",
  week: "RRRR and II (around New Year yyyy is not the year of the week)",
  day: "yyyy, MM and dd",
  hour: "yyyy, MM, dd and HH",
  minute: "yyyy, MM, dd, HH and mm"
}

/** Whether two windows could have the same key. */
const indistinct = (parts: ReadonlyArray<Part>, granularity: Granularity): string | undefined => {
  const fields = new Set(parts.flatMap((part) => (typeof part === "string" ? [] : [part.field])))
  const has = (...wanted: ReadonlyArray<Field>) => wanted.every((field) => fields.has(field))
  const day = has("year", "month", "day") || has("year", "dayOfYear") || has("weekYear", "week", "weekday")
  const tells: { readonly [granularity in Granularity]: boolean } = {
    month: day || has("year", "month"),
    week: day || has("weekYear", "week"),
    day,
    hour: day && has("hour"),
    minute: day && has("hour", "minute")
  }
  return tells[granularity] ? undefined : `cannot tell one ${granularity} from another: it needs ${needed[granularity]}`
}

/** Whether some key could be no partition key. */
const unfitting = (parts: ReadonlyArray<Part>, granularity: Granularity): string | undefined => {
  let lengthMax = granularity === "hour" || granularity === "minute" ? markLengthMax : 0
  for (const part of parts) {
    lengthMax += typeof part === "string" ? part.length : part.lengthMax
    if (typeof part !== "string") continue
    if (/\p{Cc}/u.test(part)) return "must not contain control characters"
    if (!part.isWellFormed()) return "must be well-formed Unicode"
  }
  if (lengthMax <= partitionKeyLengthMax) return undefined
  return `makes keys of up to ${lengthMax} characters: partition keys have at most ${partitionKeyLengthMax}`
}

/** The month of a monthly window is in its year and month; elsewhere the week says more than they do. */
const localTime = (fields: { readonly [field in Field]?: number }, granularity: Granularity): number => {
  const { day, dayOfYear, hour = 0, minute = 0, month, second = 0, week, weekday = 1, weekYear, year } = fields
  const time = ((hour * 60 + minute) * 60 + second) * 1000
  if (year !== undefined && month !== undefined && day !== undefined) return dateMs(year, month, day) + time
  if (year !== undefined && dayOfYear !== undefined) return dateMs(year, 1, dayOfYear) + time
  if (weekYear !== undefined && week !== undefined && granularity !== "month") {
    // The week of January 4 is the first (ISO 8601).
    const fourth = dateMs(weekYear, 1, 4)
    return fourth + ((week - 1) * 7 + weekday - isoWeekday(new Date(fourth))) * dayMs + time
  }
  return dateMs(year ?? 0, month ?? 1, 1) + time
}
