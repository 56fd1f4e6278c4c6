/** One measuring station of the observatory. */
export interface Instrument {
  readonly id: string
  readonly site: string
  /** What its readings swing around: degrees Celsius, percent, micrograms a cubic metre. */
  readonly base: { readonly temperatureC: number; readonly humidityPct: number; readonly pm25: number }
}

export const instruments: ReadonlyArray<Instrument> = [
  { id: "alpha", site: "west-basin", base: { temperatureC: 18.4, humidityPct: 61, pm25: 9.5 } },
  { id: "bravo", site: "east-ridge", base: { temperatureC: 11.2, humidityPct: 48, pm25: 5.1 } },
  { id: "charlie", site: "north-forest", base: { temperatureC: 14.7, humidityPct: 77, pm25: 3.8 } }
]

const minutePattern = /^(\d{4})-(\d{2})-(\d{2})T(\d{2})-(\d{2})$/

/** A partition key is a minute in UTC, written so that it can be a part of a file name: `2026-01-01T00-00`. */
export interface Minute {
  readonly key: string
  /** `202601010000`, as instruments name their files. */
  readonly compact: string
  /** `2026-01-01T00:00`, to which seconds are added. */
  readonly iso: string
  /** Counts the minutes of the day, 0 to 1439. */
  readonly ofDay: number
}

/** Reads a partition key; throws when it is no minute. */
export const parseMinute = (key: string | undefined): Minute => {
  const found = minutePattern.exec(key ?? "")
  const [, year, month, day, hour = "", minute = ""] = found ?? []
  if (found === null || Number(hour) > 23 || Number(minute) > 59) {
    throw new Error(`partition key ${JSON.stringify(key)} is no minute such as 2026-01-01T00-00`)
  }
  return {
    key: found[0],
    compact: `${year}${month}${day}${hour}${minute}`,
    iso: `${year}-${month}-${day}T${hour}:${minute}`,
    ofDay: Number(hour) * 60 + Number(minute)
  }
}

/** The CSV that an instrument delivers for a minute, in the store `inbox`. */
export const csvKey = (instrumentId: string, minute: Minute): string =>
  `instrument_${instrumentId}_${minute.compact}.csv`

/** The partition of the timestore that holds one instrument's minute. */
export const seriesKey = (instrumentId: string, minute: Minute): string => `${instrumentId}.${minute.key}`
