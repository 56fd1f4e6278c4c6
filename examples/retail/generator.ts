import { chosen, seeded } from "../seeded.ts"
import { csvColumns } from "./sales.ts"

const rowsADay = 6

/** The CSV that the shops deliver for a day. A pure function of the day: the same day gives the same bytes. */
export const csvOf = (day: string): string =>
  [
    csvColumns.join(","),
    ...Array.from({ length: rowsADay }, (_, index) => {
      const seed = (column: string) => ["retail", day, index, column] as const
      return [
        `ORD-${day.replaceAll("-", "")}-${index + 1}`,
        day,
        chosen(["north", "south", "east", "west"], ...seed("region")),
        chosen(["books", "garden", "kitchen", "toys", "audio", "sports"], ...seed("category")),
        chosen(["online", "store", "phone"], ...seed("channel")),
        1 + Math.floor(seeded(...seed("units")) * 9),
        (4 + seeded(...seed("unit_price")) * 120).toFixed(2)
      ].join(",")
    })
  ]
    .map((line) => `${line}\n`)
    .join("")
