/** What the fleet's workflows make. The CSVs come from the instruments and are no asset. */
export const assetIds = {
  instrument: "greenhouse.telemetry.instrument",
  alerts: "greenhouse.telemetry.alerts"
} as const

/** The timestore's data set: one partition an instrument and day. */
export const dataset = "fleet_telemetry"

/** The partition of the timestore that holds an instrument's day. */
export const seriesKey = (instrumentId: string, day: string): string => `${instrumentId}.${day}`

const compact = (day: string): string => day.replaceAll("-", "")

/** The folder of an instrument's CSVs in the store `inbox`. */
export const instrumentDir = (dataRoot: string, instrumentId: string): string => `${dataRoot}/${instrumentId}/`

/** The CSV that an instrument delivers for a day, in the store `inbox`. */
export const csvKey = (dataRoot: string, instrumentId: string, day: string): string =>
  `${instrumentDir(dataRoot, instrumentId)}${instrumentId}_${compact(day)}.csv`

/** The rollup of an instrument's day, in the store `lake`. */
export const rollupKey = (outputDir: string, instrumentId: string, day: string): string =>
  `${outputDir}/${instrumentId}_${compact(day)}.json`

/** The day of a CSV's key, as `2026-01-31`; undefined for any other file. */
export const dayOf = (instrumentId: string, key: string): string | undefined => {
  const [, year, month, day] = /_(\d{4})(\d{2})(\d{2})\.csv$/.exec(key) ?? []
  const found = `${year}-${month}-${day}`
  return day !== undefined && key.endsWith(`/${instrumentId}_${compact(found)}.csv`) ? found : undefined
}
