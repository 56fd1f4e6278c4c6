import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { alertsOf } from "../../examples/fleet/alerts.ts"
import app from "../../examples/fleet/app.ts"
import { csvKey, dayOf } from "../../examples/fleet/assets.ts"
import { csvOf, instruments } from "../../examples/fleet/generator.ts"
import { alertsHtml, temperaturePlot } from "../../examples/fleet/report.ts"
import { anomalyWindow, rollupOf } from "../../examples/fleet/rollup.ts"
import { parseTelemetry, type Sample } from "../../examples/fleet/telemetry.ts"
import { checkApp } from "../../src/sdk/AppCheck.ts"

const day = "2026-01-02"
const limits = { temperatureLimitC: 30, humidityLimitPct: 65 }
const at = (hour: string) => `${day}T${hour}:00:00Z`
const sample = (hour: string, temperature_c: number, humidity_pct: number, quality_flag = "ok"): Sample => ({
  timestamp: at(hour),
  temperature_c,
  humidity_pct,
  quality_flag
})
const quiet = { flagged: false, reason: null, firstSample: null, lastSample: null }

describe("an instrument's day", () => {
  it("F91: is a row every six hours, the same bytes for the same instrument and day", () => {
    const [a, b] = instruments
    assert.strictEqual(csvOf(a, day), csvOf(a, day))
    assert.notStrictEqual(csvOf(a, day), csvOf(b, day))
    assert.notStrictEqual(csvOf(a, day), csvOf(a, "2026-01-03").replaceAll("2026-01-03", day))
    const times = parseTelemetry("a.csv", day, csvOf(a, day)).map(({ timestamp }) => timestamp)
    assert.deepStrictEqual(times, ["00", "06", "12", "18"].map(at))
  })

  it("has the lowest, the highest and the mean of both series, and counts the flags", () => {
    const samples = [sample("00", 10, 40), sample("06", 11, 50, "suspect"), sample("12", 13.5, 50)]
    const rollup = rollupOf("instrument_A", day, samples, limits)
    assert.deepStrictEqual(rollup.temperatureC, { min: 10, max: 13.5, mean: 11.5 })
    assert.deepStrictEqual(rollup.humidityPct, { min: 40, max: 50, mean: 46.667 })
    assert.deepStrictEqual(rollup.qualityFlags, { ok: 2, suspect: 1 })
    assert.deepStrictEqual([rollup.firstSample, rollup.lastSample, rollup.samples], [at("00"), at("12"), 3])
  })

  it("has an anomaly window from the first to the last sample above a limit", () => {
    const samples = [sample("00", 31, 65), sample("06", 30, 65), sample("12", 29, 66), sample("18", 20, 20)]
    assert.deepStrictEqual(anomalyWindow(samples, limits), {
      flagged: true,
      reason: "temperature above 30 °C, humidity above 65 %",
      firstSample: at("00"),
      lastSample: at("12")
    })
    assert.deepStrictEqual(anomalyWindow(samples.slice(2), limits), {
      flagged: true,
      reason: "humidity above 65 %",
      firstSample: at("12"),
      lastSample: at("12")
    })
    assert.deepStrictEqual(anomalyWindow(samples.slice(1, 2), limits), quiet, "a sample at the limit is no anomaly")
  })

  it("is refused when it is empty or wrong, with file, line, column and what would be right", () => {
    const header = "timestamp,temperature_c,humidity_pct,quality_flag"
    const wrong: ReadonlyArray<readonly [string, string]> = [
      ["", `a.csv:1: the header must be ${header}`],
      [`${header}\n`, "a.csv has no samples"],
      [`${header}\n1,2`, "a.csv:2: 2 cells instead of 4"],
      [`${header}\n2026-01-03T00:00:00Z,1,1,ok`, "a.csv:2: timestamp must be a time of 2026-01-02"],
      [`${header}\n${at("25")},1,1,ok`, "a.csv:2: timestamp must be a time of 2026-01-02"],
      [`${header}\n${at("00")},warm,1,ok`, 'a.csv:2: temperature_c must be degrees such as 21.5, not "warm"'],
      [`${header}\n${at("00")},1,101,ok`, 'a.csv:2: humidity_pct must be percent from 0 to 100, not "101"'],
      [`${header}\n${at("00")},1,1,`, 'a.csv:2: quality_flag must be a word such as ok, not ""']
    ]
    for (const [text, message] of wrong) assert.throws(() => parseTelemetry("a.csv", day, text), message)
  })

  it("is found in the names of files, and nothing else is", () => {
    assert.strictEqual(dayOf("instrument_A", csvKey("instruments", "instrument_A", day)), day)
    for (const key of ["instruments/instrument_A/instrument_B_20260102.csv", "instruments/instrument_A/notes.csv"]) {
      assert.strictEqual(dayOf("instrument_A", key), undefined)
    }
  })
})

describe("the fleet's alerts", () => {
  const rollup = (instrumentId: string, ...samples: ReadonlyArray<Sample>) =>
    rollupOf(instrumentId, day, samples, limits)

  it("flag anomalies within the hours before the newest sample, and instruments that are silent for as long", () => {
    const rollups = [
      rollup("cool", sample("18", 20, 20)),
      rollup("hot", sample("06", 31, 20), sample("18", 20, 20)),
      rollup("silent", sample("00", 99, 99))
    ]
    assert.deepStrictEqual(alertsOf(rollups, 13), {
      windowHours: 13,
      from: at("05"),
      to: at("18"),
      instruments: 3,
      flags: [
        {
          instrumentId: "hot",
          kind: "anomaly",
          reason: "temperature above 30 °C",
          firstSample: at("06"),
          lastSample: at("06")
        },
        {
          instrumentId: "silent",
          kind: "silent",
          reason: "no sample for 13 hours or more",
          firstSample: null,
          lastSample: at("00")
        }
      ]
    })
    assert.deepStrictEqual(
      alertsOf(rollups, 12).flags.map(({ instrumentId }) => instrumentId),
      ["silent"],
      "twelve hours do not reach back to the hot sample"
    )
    assert.deepStrictEqual(
      alertsOf(rollups, 24).flags.map(({ kind }) => kind),
      ["anomaly", "anomaly"]
    )
  })

  it("are shown with a line an instrument, gaps where one did not measure", () => {
    const measured = [
      { partition_key: "a.b.2026-01-02", timestamp: at("00"), temperature_c: 1 },
      { partition_key: "a.b.2026-01-02", timestamp: at("12"), temperature_c: 3 },
      { partition_key: "c.2026-01-02", timestamp: at("06"), temperature_c: 2 }
    ]
    const plot = temperaturePlot(measured)
    assert.strictEqual(temperaturePlot(measured), plot)
    for (const text of [">a.b<", ">c<", ">01-02 06:00<", "Temperature of the fleet"]) assert.include(plot, text)
    const rollups = [rollup("<i>", sample("00", 31, 20))]
    const html = alertsHtml(alertsOf(rollups, 24), rollups)
    assert.include(html, "<td>&lt;i&gt;</td><td>anomaly</td>")
  })
})

describe("the fleet app", () => {
  it("is valid", () => {
    assert(Result.isSuccess(checkApp(app)))
  })
})
