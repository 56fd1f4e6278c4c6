import { BarChart, LineChart } from "echarts/charts"
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components"
import { type EChartsCoreOption, init, use } from "echarts/core"
import { SVGRenderer } from "echarts/renderers"

use([BarChart, LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer])

const widthPx = 720
const heightPx = 300
const palette = ["#1f5f8b", "#c8553d", "#4f772d", "#7b4b94"]

export interface Chart {
  /** Unique within a page: the ids inside the SVG begin with it. */
  readonly name: string
  readonly title: string
  readonly unit: string
  readonly labels: ReadonlyArray<string>
}

/** A line; null is a gap. */
export interface Series {
  readonly name: string
  readonly values: ReadonlyArray<number | null>
}

/** A line chart as SVG text. The same chart gives the same bytes, whatever was drawn before. */
export const lineChart = (chart: Chart, series: ReadonlyArray<Series>): string =>
  drawn(chart, {
    // Nothing to tell apart needs no legend. The gap makes up for fonts wider than the one that is reckoned with.
    ...(series.length > 1 ? { legend: { bottom: 0, itemGap: 28 } } : {}),
    series: series.map(({ name, values }) => ({ type: "line", name, data: [...values] }))
  })

/** A bar chart as SVG text: one bar a label. The same chart gives the same bytes. */
export const barChart = (chart: Chart, values: ReadonlyArray<number>): string =>
  drawn(chart, { series: [{ type: "bar", name: chart.title, data: [...values] }] })

const drawn = ({ labels, name, title, unit }: Chart, option: EChartsCoreOption): string => {
  const canvas = init(null, null, { renderer: "svg", ssr: true, width: widthPx, height: heightPx })
  try {
    canvas.setOption({
      animation: false,
      backgroundColor: "#fff",
      color: palette,
      title: { text: title, left: "center", textStyle: { fontSize: 14 } },
      grid: { left: 24, right: 24, top: 56, bottom: 40, outerBoundsMode: "same" },
      xAxis: { type: "category", data: [...labels] },
      yAxis: { type: "value", name: unit },
      ...option
    })
    return still(canvas.renderToSVGString(), name)
  } finally {
    canvas.dispose()
  }
}

/** Without what is counted over the whole process: hover styles, of no use on a still picture, and ids of clip paths. */
const still = (svg: string, name: string): string =>
  `${svg
    .replace(/<style[\s\S]*?<\/style>/g, "")
    .replace(/ class="zr\d+-cls-\d+"/g, "")
    .replace(/( id="|url\(#)zr\d+-/g, `$1${name}-`)
    .replace(/\n{2,}/g, "\n")
    .trim()}\n`
