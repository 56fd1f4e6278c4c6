import { PermanentFailure } from "kintsugi"

/** One line of an instrument's CSV. */
export type Sample = {
  /** ISO 8601, UTC. */
  readonly timestamp: string
  readonly temperature_c: number
  readonly humidity_pct: number
  readonly quality_flag: string
}

export const csvColumns = ["timestamp", "temperature_c", "humidity_pct", "quality_flag"] as const

/** Samples of one day: one a minute is the most that an instrument measures. */
const samplesMax = 1440

/** Reads a CSV in the order of time. Fails for good when it is empty or wrong, naming file, line and column. */
export const parseTelemetry = (file: string, day: string, text: string): ReadonlyArray<Sample> => {
  const [header, ...lines] = text.trimEnd().split(/\r?\n/)
  if (header !== csvColumns.join(","))
    throw new PermanentFailure(`${file}:1: the header must be ${csvColumns.join(",")}`)
  if (lines.length === 0) throw new PermanentFailure(`${file} has no samples`)
  if (lines.length > samplesMax)
    throw new PermanentFailure(`${file} has ${lines.length} samples, more than ${samplesMax}`)
  return lines
    .map((line, index) => parseLine(`${file}:${index + 2}`, day, line.split(",")))
    .toSorted((left, right) => (left.timestamp < right.timestamp ? -1 : 1))
}

const parseLine = (where: string, day: string, cells: ReadonlyArray<string>): Sample => {
  if (cells.length !== csvColumns.length) {
    throw new PermanentFailure(`${where}: ${cells.length} cells instead of ${csvColumns.length}`)
  }
  const [timestamp = "", temperature = "", humidity = "", quality_flag = ""] = cells
  const wrong = (column: (typeof csvColumns)[number], right: string, text: string) =>
    new PermanentFailure(`${where}: ${column} must be ${right}, not ${JSON.stringify(text.slice(0, 80))}`)
  if (!/^\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/.test(timestamp) || !timestamp.startsWith(day)) {
    throw wrong("timestamp", `a time of ${day} such as ${day}T06:00:00Z`, timestamp)
  }
  if (!/^-?\d{1,3}(\.\d{1,4})?$/.test(temperature)) throw wrong("temperature_c", "degrees such as 21.5", temperature)
  if (!/^\d{1,3}(\.\d{1,4})?$/.test(humidity) || Number(humidity) > 100) {
    throw wrong("humidity_pct", "percent from 0 to 100", humidity)
  }
  if (!/^[a-z_]{1,20}$/.test(quality_flag)) throw wrong("quality_flag", "a word such as ok", quality_flag)
  return { timestamp, temperature_c: Number(temperature), humidity_pct: Number(humidity), quality_flag }
}
