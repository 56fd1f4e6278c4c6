/** One line of an instrument's CSV. */
export interface Reading {
  /** ISO 8601, UTC. */
  readonly timestamp: string
  readonly instrument_id: string
  readonly site: string
  readonly temperature_c: number
  readonly relative_humidity_pct: number
  readonly pm2_5_ug_m3: number
  readonly battery_voltage: number
}

const columns = [
  "timestamp",
  "instrument_id",
  "site",
  "temperature_c",
  "relative_humidity_pct",
  "pm2_5_ug_m3",
  "battery_voltage"
] as const satisfies ReadonlyArray<keyof Reading>

/** The CSV text of some readings, header line included. */
export const toCsv = (readings: ReadonlyArray<Reading>): string =>
  [columns.join(","), ...readings.map((reading) => columns.map((column) => reading[column]).join(","))]
    .map((line) => `${line}\n`)
    .join("")

/** Reads a CSV; throws naming the file, the line and the column that is wrong. */
export const parseCsv = (file: string, text: string): ReadonlyArray<Reading> => {
  const [header, ...lines] = text.trimEnd().split("\n")
  if (header !== columns.join(",")) throw new Error(`${file}:1: the header must be ${columns.join(",")}`)
  if (lines.length === 0) throw new Error(`${file}: has no readings`)
  return lines.map((line, index) => parseLine(`${file}:${index + 2}`, line.split(",")))
}

const parseLine = (where: string, cells: ReadonlyArray<string>): Reading => {
  if (cells.length !== columns.length) throw new Error(`${where}: ${cells.length} cells instead of ${columns.length}`)
  const text = (column: keyof Reading): string => {
    const cell = cells[columns.indexOf(column)] ?? ""
    if (cell === "") throw new Error(`${where}: ${column} is empty`)
    return cell
  }
  const number = (column: keyof Reading): number => {
    const value = Number(text(column))
    if (!Number.isFinite(value)) throw new Error(`${where}: ${column} is no number: ${text(column)}`)
    return value
  }
  return {
    timestamp: text("timestamp"),
    instrument_id: text("instrument_id"),
    site: text("site"),
    temperature_c: number("temperature_c"),
    relative_humidity_pct: number("relative_humidity_pct"),
    pm2_5_ug_m3: number("pm2_5_ug_m3"),
    battery_voltage: number("battery_voltage")
  }
}
