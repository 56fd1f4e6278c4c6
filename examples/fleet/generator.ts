import { seeded } from "../seeded.ts"
import { csvColumns } from "./telemetry.ts"

/** The instruments, each with what its readings swing around. B stands in the sun, C beside the irrigation. */
export const instruments = [
  { id: "instrument_A", temperatureC: 21, humidityPct: 48 },
  { id: "instrument_B", temperatureC: 29, humidityPct: 41 },
  { id: "instrument_C", temperatureC: 19, humidityPct: 64 }
] as const

const everyHours = 6

/** The CSV of an instrument's day, a row every six hours. The same instrument and day give the same bytes. */
export const csvOf = ({ humidityPct, id, temperatureC }: (typeof instruments)[number], day: string): string =>
  [
    csvColumns.join(","),
    ...Array.from({ length: 24 / everyHours }, (_, index) => {
      const hour = index * everyHours
      const swing = (column: string) => seeded("fleet", id, day, hour, column) - 0.5
      // Coldest before dawn, warmest after noon; the air is dry when it is warm.
      const daily = -Math.cos(((hour - 3) / 24) * 2 * Math.PI)
      return [
        `${day}T${String(hour).padStart(2, "0")}:00:00Z`,
        (temperatureC + 4 * daily + 2 * swing("temperature_c")).toFixed(1),
        (humidityPct - 8 * daily + 4 * swing("humidity_pct")).toFixed(1),
        seeded("fleet", id, day, hour, "quality_flag") < 0.9 ? "ok" : "suspect"
      ].join(",")
    })
  ]
    .map((line) => `${line}\n`)
    .join("")
