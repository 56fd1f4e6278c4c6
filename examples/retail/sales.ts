import { PermanentFailure } from "kintsugi"
import { cents, money } from "./money.ts"

/** One order line: a row of the CSV, with its revenue. Money is rounded to cents. */
export type SalesRecord = {
  readonly order_id: string
  /** The day, `2026-01-31`. */
  readonly date: string
  readonly region: string
  readonly category: string
  readonly channel: string
  readonly units: number
  readonly unit_price: number
  /** Units times price. */
  readonly revenue: number
}

export const csvColumns = ["order_id", "date", "region", "category", "channel", "units", "unit_price"] as const

export type Totals = {
  readonly units: number
  readonly revenue: number
  /** Revenue a row. */
  readonly averageOrderValue: number
}

/** What one category, region or channel came to. */
export type Share = {
  readonly name: string
  readonly orders: number
  readonly units: number
  readonly revenue: number
}

/** What `retail.sales.raw` says of a day, as its file and as its payload. */
export type RawPartition = {
  readonly partitionKey: string
  readonly records: ReadonlyArray<SalesRecord>
  readonly totals: Totals
  readonly byCategory: ReadonlyArray<Share>
  readonly byRegion: ReadonlyArray<Share>
  readonly channels: ReadonlyArray<Share>
  /** The first rows, at most 5. */
  readonly sample: ReadonlyArray<SalesRecord>
}

/** Rows of one day: the payload of an asset holds 64 KiB. */
const rowsMax = 100
const sampleMax = 5

/** Reads a day's CSV. Fails for good when it is empty, or wrong anywhere, naming the line and the column. */
export const parseSales = (file: string, day: string, text: string): ReadonlyArray<SalesRecord> => {
  const [header, ...lines] = text.trimEnd().split(/\r?\n/)
  if (text.trim() === "") throw new PermanentFailure(`${file} is empty`)
  if (header !== csvColumns.join(","))
    throw new PermanentFailure(`${file}:1: the header must be ${csvColumns.join(",")}`)
  if (lines.length === 0) throw new PermanentFailure(`${file} is empty: it has a header and no rows`)
  if (lines.length > rowsMax) throw new PermanentFailure(`${file} has ${lines.length} rows, more than ${rowsMax}`)
  return lines.map((line, index) => parseLine(`${file}:${index + 2}`, day, line.split(",")))
}

const parseLine = (where: string, day: string, cells: ReadonlyArray<string>): SalesRecord => {
  if (cells.length !== csvColumns.length) {
    throw new PermanentFailure(`${where}: ${cells.length} cells instead of ${csvColumns.length}`)
  }
  const cell = (column: (typeof csvColumns)[number], pattern: RegExp, right: string): string => {
    const text = cells[csvColumns.indexOf(column)] ?? ""
    if (!pattern.test(text)) {
      throw new PermanentFailure(`${where}: ${column} must be ${right}, not ${JSON.stringify(text.slice(0, 80))}`)
    }
    return text
  }
  const name = (column: "order_id" | "region" | "category" | "channel") =>
    cell(column, /^[^"\p{Cc}]{1,40}$/u, "a text of at most 40 characters")
  const date = cell("date", /^/, "a day")
  if (date !== day)
    throw new PermanentFailure(`${where}: date must be the file's day ${day}, not ${JSON.stringify(date)}`)
  const units = Number(cell("units", /^\d{1,6}$/, "a whole number"))
  const unitPrice = Number(cell("unit_price", /^\d{1,7}(\.\d{1,2})?$/, "a price such as 19.99"))
  return {
    order_id: name("order_id"),
    date,
    region: name("region"),
    category: name("category"),
    channel: name("channel"),
    units,
    unit_price: unitPrice,
    revenue: money(units * cents(unitPrice))
  }
}

/** Sums of some rows; no rows have an average of 0. */
export const totalsOf = (rows: ReadonlyArray<{ readonly units: number; readonly revenue: number }>): Totals => {
  const revenueCents = rows.reduce((sum, { revenue }) => sum + cents(revenue), 0)
  return {
    units: rows.reduce((sum, { units }) => sum + units, 0),
    revenue: money(revenueCents),
    averageOrderValue: rows.length === 0 ? 0 : money(revenueCents / rows.length)
  }
}

/** What each name came to, the highest revenue first, equals by name. */
export const sharesBy = (
  rows: ReadonlyArray<SalesRecord>,
  nameOf: (row: SalesRecord) => string
): ReadonlyArray<Share> =>
  sorted(
    [...Map.groupBy(rows, nameOf)].map(([name, own]) => {
      const { revenue, units } = totalsOf(own)
      return { name, orders: own.length, units, revenue }
    })
  )

/** Adds up shares of the same name. */
export const merged = (shares: ReadonlyArray<Share>): ReadonlyArray<Share> =>
  sorted(
    [...Map.groupBy(shares, ({ name }) => name)].map(([name, own]) => {
      const { revenue, units } = totalsOf(own)
      return { name, orders: own.reduce((sum, { orders }) => sum + orders, 0), units, revenue }
    })
  )

const sorted = (shares: ReadonlyArray<Share>): ReadonlyArray<Share> =>
  shares.toSorted((left, right) => right.revenue - left.revenue || (left.name < right.name ? -1 : 1))

/** Everything that is said of a day. */
export const rawPartition = (partitionKey: string, records: ReadonlyArray<SalesRecord>): RawPartition => ({
  partitionKey,
  records,
  totals: totalsOf(records),
  byCategory: sharesBy(records, ({ category }) => category),
  byRegion: sharesBy(records, ({ region }) => region),
  channels: sharesBy(records, ({ channel }) => channel),
  sample: records.slice(0, sampleMax)
})
