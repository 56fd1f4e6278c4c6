import { assert, describe, it } from "@effect/vitest"
import { barChart, lineChart } from "../../examples/charts.ts"

const chart = (name: string) => ({ name, title: "A < B", unit: "°C", labels: ["one", "two", "three"] })
const lines = [
  { name: "first&", values: [1, 2, 3] },
  { name: "second", values: [3, null, 1] }
]

describe("the examples' charts", () => {
  it("are the same bytes whatever was drawn before", () => {
    const line = lineChart(chart("line"), lines)
    const bar = barChart(chart("bar"), [1, 2, 3])
    assert.strictEqual(lineChart(chart("line"), lines), line)
    assert.strictEqual(barChart(chart("bar"), [1, 2, 3]), bar)
  })

  it("can stand on one page: every id begins with the chart's name, and every reference finds its id", () => {
    const drawn = lineChart(chart("left"), lines)
    const ids = [...drawn.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
    const references = [...drawn.matchAll(/url\(#([^)]+)\)/g)].map(([, id]) => id)
    assert.isAbove(ids.length, 0)
    assert.deepStrictEqual([...new Set(references)].sort(), ids.toSorted())
    assert.isTrue(ids.every((id) => id?.startsWith("left-")))
    assert.notMatch(drawn, /zr\d|<style|CDATA/)
  })

  it("show title, unit, labels and names as text, with a line for each series and a bar for each value", () => {
    const drawn = lineChart(chart("line"), lines)
    for (const text of ["A &lt; B", "°C", ">one<", ">three<", ">first&amp;<", ">second<"]) assert.include(drawn, text)
    const bars = barChart(chart("bar"), [1, 2, 3])
    assert.strictEqual(bars.match(/ecmeta_data_index/g)?.length, 3)
  })
})
