import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import app from "../../examples/observatory/app.ts"
import { readingsOf } from "../../examples/observatory/generator.ts"
import { csvKey, instruments, parseMinute, seriesKey } from "../../examples/observatory/instruments.ts"
import { parseCsv, toCsv } from "../../examples/observatory/readings.ts"
import { statusHtml, statusJson, statusMarkdown } from "../../examples/observatory/report.ts"
import { metricsOf, summarize } from "../../examples/observatory/statistics.ts"
import { lineChart } from "../../examples/observatory/svg.ts"
import { checkApp } from "../../src/sdk/AppCheck.ts"

const [alpha] = instruments
assert(alpha !== undefined)
const minute = parseMinute("2026-01-01T00-02")
const readings = instruments.flatMap((instrument) => readingsOf(instrument, minute))

describe("the observatory's data", () => {
  it("F91: is the same bytes for the same minute, and other bytes for another instrument or minute", () => {
    const csv = toCsv(readingsOf(alpha, minute))
    assert.strictEqual(toCsv(readingsOf(alpha, parseMinute("2026-01-01T00-02"))), csv)
    const others = [
      ...instruments.slice(1).map((instrument) => toCsv(readingsOf(instrument, minute))),
      toCsv(readingsOf(alpha, parseMinute("2026-01-01T00-03")))
    ]
    assert.strictEqual(new Set([csv, ...others]).size, 4)
  })

  it("is twelve plausible readings an instrument and minute", () => {
    for (const instrument of instruments) {
      const own = readingsOf(instrument, parseMinute("2026-01-01T13-59"))
      assert.strictEqual(own.length, 12)
      for (const reading of own) {
        assert(reading.timestamp.startsWith("2026-01-01T13:59:") && reading.site === instrument.site)
        assert(Math.abs(reading.temperature_c - instrument.base.temperatureC) < 6)
        assert(reading.relative_humidity_pct >= 0 && reading.relative_humidity_pct <= 100)
        assert(reading.pm2_5_ug_m3 >= 0 && reading.battery_voltage > 3)
      }
    }
  })

  it("comes back from its CSV as it was written", () => {
    assert.deepStrictEqual(parseCsv("all.csv", toCsv(readings)), readings)
  })

  it("names file, line and column of a CSV that cannot be read", () => {
    const [header = "", first = "", ...rest] = toCsv(readingsOf(alpha, minute)).split("\n")
    const broken = [header, first, ...rest.map((line) => line.replace(/,[\d.]+$/, ",low"))].join("\n")
    assert.throws(() => parseCsv("a.csv", broken), "a.csv:3: battery_voltage is no number: low")
    assert.throws(() => parseCsv("a.csv", `${header}\n1,2`), "a.csv:2: 2 cells instead of 7")
    assert.throws(() => parseCsv("a.csv", `${header}\n`), "a.csv: has no readings")
    assert.throws(() => parseCsv("a.csv", "time,value\n"), "a.csv:1: the header must be timestamp,")
  })

  it("has minutes as partition keys, from which files and partitions are named", () => {
    assert.strictEqual(csvKey("alpha", minute), "instrument_alpha_202601010002.csv")
    assert.strictEqual(seriesKey("alpha", minute), "alpha.2026-01-01T00-02")
    for (const key of [undefined, "", "2026-01-01", "2026-01-01T24-00", "2026-01-01T00:02"]) {
      assert.throws(() => parseMinute(key), "is no minute such as 2026-01-01T00-00")
    }
  })
})

describe("the observatory's products", () => {
  it("sum up lowest, highest and mean", () => {
    assert.deepStrictEqual(summarize([1, 2, 6]), { min: 1, max: 6, mean: 3 })
    assert.throws(() => summarize([]), "nothing to summarize")
    assert.deepStrictEqual(
      metricsOf(readings).map(({ instrumentId, samples }) => [instrumentId, samples]),
      [
        ["alpha", 12],
        ["bravo", 12],
        ["charlie", 12]
      ]
    )
  })

  it("draw a line an instrument, with names that stand for themselves", () => {
    const chart = lineChart("A < B", "°C", [
      { name: "a&b", values: [1, 2, 3] },
      { name: "flat", values: [2, 2] }
    ])
    assert.strictEqual(chart.match(/<polyline/g)?.length, 2)
    assert(chart.includes("A &lt; B") && chart.includes("a&amp;b") && !chart.includes("NaN"))
  })

  it("draw grid lines at round values, and the labels below from the left end to the right one", () => {
    const values = [8.2, 16.4]
    const drawn = lineChart("Temperature", "°C", [{ name: "alpha", values }], [":00", ":55"])
    const ends = [...drawn.matchAll(/text-anchor="end"[^>]*>([^<]*)</g)].map(([, text]) => text)
    assert.deepStrictEqual(ends, ["8", "10", "12", "14", "16", "18"])
    assert.match(drawn, /x="48.0" [^>]*>:00<[\s\S]*x="536.0" [^>]*>:55</)
    assert.include(drawn, '<rect width="100%" height="100%" fill="#fff"/>')
    const small = lineChart("PM2.5", "µg/m³", [{ name: "alpha", values: [1.1, 1.2] }])
    assert.match(small, />1\.0<[\s\S]*>1\.5</)
  })

  it("report each instrument in Markdown, HTML and JSON", () => {
    const metrics = { minute: minute.key, instruments: metricsOf(readings) }
    for (const { id, site } of instruments) {
      assert(statusMarkdown(metrics).includes(`| ${id} | ${site} | 12 |`))
      assert(statusHtml(metrics, ["<svg/>"]).includes(`<td>${id}</td><td>${site}</td>`))
    }
    assert(statusHtml(metrics, ["<svg/>"]).includes("<svg/>"))
    assert.deepInclude(JSON.parse(statusJson(metrics)), { minute: minute.key, instruments: 3 })
  })
})

describe("the observatory's app", () => {
  it("F91: is valid as it is, and declares every asset that it makes", () => {
    const checked = checkApp(app)
    assert(Result.isSuccess(checked), Result.isFailure(checked) ? checked.failure.message : "")
    const produced = checked.success.workflows.flatMap(({ steps }) =>
      steps.flatMap(({ produces }) => produces.map(({ assetId }) => assetId))
    )
    assert.deepStrictEqual(produced, [
      "observatory.inbox.csv",
      "observatory.inbox.normalized",
      "observatory.timeseries.timestore",
      "observatory.burst.window",
      "observatory.visualizations.minute",
      "observatory.reports.status",
      "observatory.dashboard.snapshot",
      "observatory.calibration.instrument"
    ])
  })

  it("F92: reports are four producers away from the inbox", () => {
    const checked = checkApp(app)
    assert(Result.isSuccess(checked))
    const steps = checked.success.workflows.flatMap(({ steps }) => steps)
    const depth = (assetId: string): number => {
      const producer = steps.find(({ produces }) => produces.some((asset) => asset.assetId === assetId))
      assert(producer !== undefined, `${assetId} has a producer`)
      return Math.max(0, ...producer.consumes.map((consumed) => 1 + depth(consumed.assetId)))
    }
    assert.strictEqual(depth("observatory.reports.status"), 4)
  })
})
