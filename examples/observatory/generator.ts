import { createHash } from "node:crypto"
import type { Instrument, Minute } from "./instruments.ts"
import type { Reading } from "./readings.ts"

/** Seconds between two readings of an instrument. */
const readingEverySeconds = 5

/**
 * What an instrument measured in a minute. A pure function of both: the same minute gives the same bytes, so that a
 * file that is acquired again is the file that was lost.
 */
export const readingsOf = (instrument: Instrument, minute: Minute): ReadonlyArray<Reading> => {
  const random = randomOf(`${instrument.id}/${minute.key}`)
  const { base, id, site } = instrument
  // Coldest before dawn, warmest in the early afternoon; the air is dry when it is warm.
  const daily = -Math.cos(((minute.ofDay - 240) / 1440) * 2 * Math.PI)
  const burst = random() < 0.25 ? 4 + random() * 8 : 0
  return Array.from({ length: 60 / readingEverySeconds }, (_, index) => {
    const second = index * readingEverySeconds
    const noise = () => random() - 0.5
    return {
      timestamp: `${minute.iso}:${String(second).padStart(2, "0")}Z`,
      instrument_id: id,
      site,
      temperature_c: rounded(base.temperatureC + 4 * daily + noise(), 2),
      relative_humidity_pct: rounded(Math.min(100, Math.max(0, base.humidityPct - 12 * daily + 3 * noise())), 1),
      pm2_5_ug_m3: rounded(Math.max(0, base.pm25 + burst * Math.sin((second / 60) * Math.PI) + noise()), 2),
      battery_voltage: rounded(3.9 - 0.3 * (minute.ofDay / 1440) + 0.02 * noise(), 3)
    }
  })
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))

/** Numbers in [0, 1) that depend on the seed alone: the 32-bit words of SHA-256 over seed and counter. */
const randomOf = (seed: string): (() => number) => {
  let block = Buffer.alloc(0)
  let blocks = 0
  let at = 0
  return () => {
    if (at >= block.length) {
      block = createHash("sha256").update(`${seed}/${blocks++}`).digest()
      at = 0
    }
    const word = block.readUInt32LE(at)
    at += 4
    return word / 2 ** 32
  }
}
