import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { dayAfter, daysBefore, parseDay } from "../../examples/days.ts"
import app from "../../examples/retail/app.ts"
import { csvOf } from "../../examples/retail/generator.ts"
import { daysWithin, metricsOf } from "../../examples/retail/insights.ts"
import { parquetOf } from "../../examples/retail/parquetFile.ts"
import { reportHtml, revenueTrend } from "../../examples/retail/report.ts"
import { csvColumns, parseSales, rawPartition, totalsOf } from "../../examples/retail/sales.ts"
import { checkApp } from "../../src/sdk/AppCheck.ts"

const day = "2026-01-02"
const header = csvColumns.join(",")
const row = (cells: string) => `O-1,${day},${cells}`
const parsed = (...rows: ReadonlyArray<string>) => parseSales("a.csv", day, [header, ...rows].join("\n"))
const summaryOf = (partitionKey: string, ...rows: ReadonlyArray<string>) => {
  const text = [header, ...rows.map((cells) => `O-1,${partitionKey},${cells}`)].join("\n")
  const { records: _, sample: __, ...raw } = rawPartition(partitionKey, parseSales("a.csv", partitionKey, text))
  return { ...raw, parquetFile: "p", summaryFile: "s" }
}

describe("a day of sales", () => {
  it("F91: is six rows, the same bytes for the same day and other bytes for another", () => {
    assert.strictEqual(csvOf(day), csvOf(day))
    assert.notStrictEqual(csvOf(day), csvOf("2026-01-03").replaceAll("2026-01-03", day))
    assert.strictEqual(parseSales("a.csv", day, csvOf(day)).length, 6)
  })

  it("has a revenue of units times price, to the cent", () => {
    const [first] = parsed(row("north,toys,online,3,0.70"))
    assert.strictEqual(first?.revenue, 2.1, "and not 2.0999999999999996")
    assert.strictEqual(parsed(row("north,toys,online,7,19.99"))[0]?.revenue, 139.93)
  })

  it("has an average order value of revenue a row, rounded to cents", () => {
    const rows = parsed(
      row("north,toys,online,1,10.00"),
      row("north,toys,online,1,10.00"),
      row("north,toys,online,1,10.01")
    )
    assert.deepStrictEqual(totalsOf(rows), { units: 3, revenue: 30.01, averageOrderValue: 10 })
    assert.deepStrictEqual(totalsOf(rows.slice(1)), { units: 2, revenue: 20.01, averageOrderValue: 10.01 })
    assert.deepStrictEqual(totalsOf([]), { units: 0, revenue: 0, averageOrderValue: 0 })
  })

  it("sums up by category, region and channel, highest revenue first, and shows five rows at most", () => {
    const rows = [
      row("north,toys,online,1,5"),
      row("south,books,store,2,4"),
      row("north,toys,store,1,2"),
      ...Array.from({ length: 3 }, () => row("east,audio,phone,0,1"))
    ]
    const raw = rawPartition(day, parsed(...rows))
    assert.deepStrictEqual(raw.byCategory, [
      { name: "books", orders: 1, units: 2, revenue: 8 },
      { name: "toys", orders: 2, units: 2, revenue: 7 },
      { name: "audio", orders: 3, units: 0, revenue: 0 }
    ])
    assert.deepStrictEqual(
      raw.byRegion.map(({ name, revenue }) => [name, revenue]),
      [
        ["south", 8],
        ["north", 7],
        ["east", 0]
      ]
    )
    assert.deepStrictEqual(
      raw.channels.map(({ name }) => name),
      ["store", "online", "phone"]
    )
    assert.deepStrictEqual([raw.records.length, raw.sample.length, raw.partitionKey], [6, 5, day])
  })

  it("is refused when it is empty or wrong, with file, line, column and what would be right", () => {
    const wrong: ReadonlyArray<readonly [string, string]> = [
      ["", "a.csv is empty"],
      [`${header}\n`, "a.csv is empty: it has a header and no rows"],
      ["id\n1", `a.csv:1: the header must be ${header}`],
      [`${header}\n1,2`, "a.csv:2: 2 cells instead of 7"],
      [`${header}\n${row("n,c,o,1.5,1")}`, 'a.csv:2: units must be a whole number, not "1.5"'],
      [`${header}\n${row("n,c,o,1,1.005")}`, 'a.csv:2: unit_price must be a price such as 19.99, not "1.005"'],
      [`${header}\n${row(",c,o,1,1")}`, 'a.csv:2: region must be a text of at most 40 characters, not ""'],
      [`${header}\nO,2026-01-03,n,c,o,1,1`, 'a.csv:2: date must be the file\'s day 2026-01-02, not "2026-01-03"'],
      [`${header}${`\n${row("n,c,o,1,1")}`.repeat(101)}`, "a.csv has 101 rows, more than 100"]
    ]
    for (const [text, message] of wrong) {
      assert.throws(() => parseSales("a.csv", day, text), message)
    }
  })

  it("fits an asset's payload, however long and many its names are", () => {
    const name = (index: number) => String(index).padEnd(40, "x")
    const lines = Array.from({ length: 100 }, (_, index) => {
      const own = name(index)
      return `${own},${day},${own},${own},${own},999999,9999999.99`
    })
    const raw = rawPartition(day, parseSales("a.csv", day, [header, ...lines].join("\n")))
    assert.isBelow(JSON.stringify(raw).length, 64 * 1024)
  })

  it.live("is the same Parquet bytes for the same rows, which sum up to the cent", () =>
    Effect.gen(function* () {
      const rows = parsed(...Array.from({ length: 30 }, () => row("north,toys,online,1,0.10")))
      const [left, right] = yield* Effect.promise(() => Promise.all([parquetOf(rows), parquetOf(rows)]))
      assert.deepStrictEqual(left.bytes, right.bytes)
      assert.deepStrictEqual([left.rows, left.revenue], [30, 3])
    })
  )
})

describe("the sales report", () => {
  const summaries = [
    summaryOf("2026-01-01", "north,a,online,1,10", "south,b,online,1,30"),
    summaryOf(
      "2026-01-02",
      "north,a,online,1,20",
      "north,c,store,1,20",
      "w,d,store,1,2",
      "w,e,store,1,1",
      "w,f,store,1,1"
    )
  ]
  const metrics = metricsOf(summaries, 14)

  it("counts revenue, orders and the average over all days", () => {
    assert.deepStrictEqual(metrics.totals, { units: 7, revenue: 84, averageOrderValue: 12 })
    assert.deepStrictEqual([metrics.days, metrics.orders, metrics.from, metrics.to], [2, 7, "2026-01-01", "2026-01-02"])
  })

  it("names the five best categories and regions with their share of the revenue", () => {
    assert.deepStrictEqual(
      metrics.topCategories.map(({ name, revenue, share }) => [name, revenue, share]),
      [
        ["a", 30, 0.3571],
        ["b", 30, 0.3571],
        ["c", 20, 0.2381],
        ["d", 2, 0.0238],
        ["e", 1, 0.0119]
      ]
    )
    assert.deepStrictEqual(
      metrics.topRegions.map(({ name }) => name),
      ["north", "south", "w"]
    )
    assert.deepStrictEqual(metrics.revenueSeries, [
      { day: "2026-01-01", revenue: 40, units: 2 },
      { day: "2026-01-02", revenue: 44, units: 5 }
    ])
  })

  it("goes back from the newest day, whichever order they come in", () => {
    const days = ["2026-03-01", "2026-02-28", "2026-02-27", "2026-01-31"]
    assert.deepStrictEqual(daysWithin(days, 1), ["2026-03-01"])
    assert.deepStrictEqual(daysWithin(days, 3), ["2026-02-27", "2026-02-28", "2026-03-01"])
    assert.deepStrictEqual(daysWithin(days, 30), ["2026-01-31", "2026-02-27", "2026-02-28", "2026-03-01"])
    assert.deepStrictEqual(daysWithin([], 14), [])
  })

  it("is the same bytes whatever was drawn before, with names that stand for themselves", () => {
    const first = revenueTrend(metrics)
    revenueTrend({ ...metrics, revenueSeries: [] })
    assert.strictEqual(revenueTrend(metrics), first)
    const html = reportHtml({ ...metrics, topRegions: [{ ...metrics.topRegions[0]!, name: "<b>&" }] })
    assert.include(html, "<td>&lt;b&gt;&amp;</td>")
    assert.include(html, "2 days, 7 orders, 7 units: revenue 84.00")
  })
})

describe("days", () => {
  it("are counted over the ends of months and years", () => {
    assert.deepStrictEqual(daysBefore("2026-01-02", 3), ["2025-12-30", "2025-12-31", "2026-01-01"])
    assert.strictEqual(dayAfter("2028-02-28", 1), "2028-02-29")
  })

  it("are read strictly", () => {
    assert.strictEqual(parseDay("the key", "2026-02-28"), "2026-02-28")
    for (const text of [undefined, "", "2026-2-1", "2026-02-30", "2026-02-28T00:00", "yesterday"]) {
      assert.throws(() => parseDay("the key", text), /^the key must be a day such as 2026-01-31, not /)
    }
  })
})

describe("the retail app", () => {
  it("is valid", () => {
    assert(Result.isSuccess(checkApp(app)))
  })
})
