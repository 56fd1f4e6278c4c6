import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DuckDBInstance } from "@duckdb/node-api"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { daysBefore } from "../../examples/days.ts"
import app from "../../examples/retail/app.ts"
import { csvOf } from "../../examples/retail/generator.ts"
import { parseSales, totalsOf } from "../../examples/retail/sales.ts"
import type { RunView } from "../../src/domain/run/RunView.ts"
import { ran, recoveries, stepOf, succeeded } from "../support/engine.ts"
import { type Files, followed, logged, playExample, producersSince, startedThemselves, today } from "./playExample.ts"

const ingest = "retail-sales-daily-ingest"
const insights = "retail-sales-insights"
const parquet = (day: string) => `data/warehouse/sales/retail_sales_${day}.parquet`
const summary = (day: string) => `data/warehouse/sales/retail_sales_${day}.summary.json`
const csv = (day: string) => `data/inbox/retail_sales_${day}.csv`
const raw = (day: string) => `data/staging/raw/${day}.json`
const reports = ["index.html", "metrics.json", "revenue-trend.svg"].map((name) => `data/reports/retail-sales/${name}`)

/** Three days delivered and ingested, and the report that came of the last. */
const ingested = Effect.fnUntraced(function* ({ folder }: Files) {
  const days = daysBefore(yield* today, 3)
  mkdirSync(join(folder, "data/inbox"), { recursive: true })
  for (const day of days) writeFileSync(join(folder, csv(day)), csvOf(day))
  let report: RunView | undefined
  for (const day of days) report = yield* followed(insights, (yield* succeeded(ingest, day)).id)
  return { days, report: report!, last: days[2]! }
})

const parquetRows = async (path: string) => {
  const instance = await DuckDBInstance.create(":memory:")
  const connection = await instance.connect()
  const read = await connection.runAndReadAll(`
    SELECT order_id, date::VARCHAR AS date, region, category, channel, units,
      unit_price::DOUBLE AS unit_price, revenue::DOUBLE AS revenue FROM read_parquet('${path}')`)
  const names = (await connection.runAndReadAll(`SELECT name FROM parquet_schema('${path}') WHERE type IS NOT NULL`))
    .getRowObjectsJS()
    .map(({ name }) => name)
  connection.closeSync()
  instance.closeSync()
  return { rows: read.getRowObjectsJS(), names }
}

describe("retail sales", () => {
  it.live(
    "F54 F91: three days of CSV become Parquet files and summaries, and a report with its plot follows by itself",
    () =>
      playExample(app, (files) =>
        Effect.gen(function* () {
          const { days, last, report } = yield* ingested(files)
          const records = parseSales("csv", last, csvOf(last))
          const found = yield* Effect.promise(() => parquetRows(join(files.folder, parquet(last))))
          assert.deepStrictEqual(found.rows, [...records])
          assert.deepStrictEqual(found.names, [
            ...["order_id", "date", "region", "category", "channel", "units", "unit_price", "revenue"]
          ])
          const told = JSON.parse(files.text(summary(last)))
          assert.deepStrictEqual(Object.keys(told).sort(), [
            ...["byCategory", "byRegion", "channels", "parquetFile", "partitionKey", "summaryFile", "totals"]
          ])
          assert.deepStrictEqual(told.totals, totalsOf(records))
          const metrics = JSON.parse(files.text("data/reports/retail-sales/metrics.json"))
          const all = days.flatMap((day) => parseSales("csv", day, csvOf(day)))
          assert.deepStrictEqual(metrics.totals, totalsOf(all))
          assert.deepStrictEqual([metrics.days, metrics.orders, metrics.lookback], [3, 18, 14])
          assert.deepStrictEqual(
            metrics.revenueSeries.map(({ day }: { day: string }) => day),
            days
          )
          assert.match(
            files.text("data/reports/retail-sales/revenue-trend.svg"),
            /^<svg [\s\S]*<path [\s\S]*<\/svg>\n$/
          )
          assert.include(files.text("data/reports/retail-sales/index.html"), "18 orders")
          const [asset] = stepOf(report, "render-report").producedAssets
          assert.deepStrictEqual([asset!.assetId, asset!.locations.length], ["retail.sales.report", 3])
        })
      )
  )

  it.live("tells the rows and the revenue that the Parquet file has when it is read again", () =>
    playExample(app, ({ folder }) =>
      Effect.gen(function* () {
        const [day = ""] = daysBefore(yield* today, 1)
        mkdirSync(join(folder, "data/inbox"), { recursive: true })
        writeFileSync(join(folder, csv(day)), csvOf(day))
        const run = yield* succeeded(ingest, day)
        const { revenue } = totalsOf(parseSales("csv", day, csvOf(day)))
        assert.deepStrictEqual(stepOf(run, "build-parquet").result, {
          metrics: { parquetRows: 6, parquetRevenue: revenue }
        })
        const [asset] = stepOf(run, "load-partition").producedAssets
        const payload = asset!.payload as { records: ReadonlyArray<unknown>; sample: ReadonlyArray<unknown> }
        assert.deepStrictEqual([asset!.partitionKey, payload.records.length, payload.sample.length], [day, 6, 5])
      })
    )
  )

  for (const [what, file] of [
    ["Parquet file", parquet],
    ["summary", summary]
  ] as const) {
    it.live(`F91: the ${what} of one day is deleted, and the next report waits until it is made again`, () =>
      playExample(app, (files) =>
        Effect.gen(function* () {
          const { days } = yield* ingested(files)
          const lost = [file(days[1]!), ...reports]
          const before = lost.map(files.digest)
          const from = yield* logged
          files.remove(file(days[1]!))
          const run = yield* succeeded(insights)
          assert.deepStrictEqual(lost.map(files.digest), before)
          assert.deepStrictEqual(yield* producersSince(from), { [`build-parquet[${days[1]}]`]: 1 })
          assert.strictEqual(stepOf(run, "render-report").attempt, 1)
          assert.strictEqual(yield* startedThemselves(insights), 3, "equal bytes are news to nobody")
        })
      )
    )
  }

  it.live("F91: everything in the warehouse's folder is deleted, and each day is made again once", () =>
    playExample(app, (files) =>
      Effect.gen(function* () {
        const { days } = yield* ingested(files)
        const lost = [...days.flatMap((day) => [parquet(day), summary(day)]), ...reports]
        const before = lost.map(files.digest)
        const from = yield* logged
        files.remove("data/warehouse/sales")
        yield* succeeded(insights)
        assert.deepStrictEqual(lost.map(files.digest), before)
        assert.deepStrictEqual(
          yield* producersSince(from),
          Object.fromEntries(days.map((day) => [`build-parquet[${day}]`, 1]))
        )
        assert.strictEqual(yield* startedThemselves(insights), 3, "equal bytes are news to nobody")
      })
    )
  )

  it.live("F91: with the checked partition gone as well, the day is loaded from its CSV again", () =>
    playExample(app, (files) =>
      Effect.gen(function* () {
        const { last } = yield* ingested(files)
        const from = yield* logged
        files.remove(parquet(last), raw(last))
        yield* succeeded(insights)
        assert.deepStrictEqual(yield* producersSince(from), {
          [`load-partition[${last}]`]: 1,
          [`build-parquet[${last}]`]: 1
        })
      })
    )
  )

  it.live("F91: a deleted CSV cannot be made again: its ingest fails for good at once, and says so", () =>
    playExample(app, (files) =>
      Effect.gen(function* () {
        const { last } = yield* ingested(files)
        files.remove(csv(last))
        const run = yield* ran(ingest, last)
        assert.strictEqual(run.status, "failed")
        assert.strictEqual(run.failure?.class, "permanent")
        assert.include(run.failure?.message, `retail_sales_${last}.csv is not in the store inbox`)
        assert.include(run.failure?.message, "comes from outside and cannot be made again")
        assert.strictEqual(stepOf(run, "load-partition").attempt, 1)
        assert.strictEqual((yield* recoveries).length, 0)
      })
    )
  )

  it.live("F91: when the CSV is gone with all that was made from it, the report fails and names the CSV", () =>
    playExample(app, (files) =>
      Effect.gen(function* () {
        const { last } = yield* ingested(files)
        files.remove(csv(last), raw(last), parquet(last))
        const run = yield* ran(insights)
        assert.strictEqual(run.status, "failed")
        assert.deepStrictEqual(run.failure?.asset, { assetId: "retail.sales.raw", partitionKey: last })
        assert.strictEqual(run.failure?.code, "budget_exhausted")
        assert.include(run.failure?.message, `retail_sales_${last}.csv is not in the store inbox`)
      })
    )
  )

  it.live("an empty CSV fails its ingest for good, with the name of the file", () =>
    playExample(app, ({ folder }) =>
      Effect.gen(function* () {
        const [day = ""] = daysBefore(yield* today, 1)
        mkdirSync(join(folder, "data/inbox"), { recursive: true })
        writeFileSync(join(folder, csv(day)), "")
        const run = yield* ran(ingest, day)
        assert.deepStrictEqual(
          [run.failure?.class, run.failure?.message],
          ["permanent", `retail_sales_${day}.csv is empty`]
        )
      })
    )
  )
})
