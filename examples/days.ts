import { DateTime, Option } from "effect"
import { PermanentFailure } from "kintsugi"

/** Reads a day such as `2026-01-31`; another text is bad input, which no retry makes better. `name` is what gave it. */
export const parseDay = (name: string, text: string | undefined): string => {
  const found = /^\d{4}-\d{2}-\d{2}$/.test(text ?? "") ? DateTime.make(`${text}T00:00:00Z`) : Option.none()
  if (Option.isSome(found) && DateTime.formatIsoDateUtc(found.value) === text) return text
  throw new PermanentFailure(`${name} must be a day such as 2026-01-31, not ${JSON.stringify(text)}`)
}

/** The day so many days later; earlier for a negative number. */
export const dayAfter = (day: string, days: number): string =>
  DateTime.formatIsoDateUtc(DateTime.add(DateTime.makeUnsafe(`${day}T00:00:00Z`), { days }))

/** The `count` days before `today`, oldest first. */
export const daysBefore = (today: string, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => dayAfter(today, index - count))
