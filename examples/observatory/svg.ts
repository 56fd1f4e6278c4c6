/** One line of a chart: a value a step of time, all steps equally long. */
export interface Series {
  readonly name: string
  readonly values: ReadonlyArray<number>
}

const width = 640
const height = 240
const margin = { top: 32, right: 104, bottom: 24, left: 48 }
const colours = ["#1f5f8b", "#c8553d", "#4f772d", "#7b4b94"]
const gridLines = 4

/** A line chart as SVG text. The same title and series give the same bytes. */
export const lineChart = (title: string, unit: string, series: ReadonlyArray<Series>): string => {
  const values = series.flatMap((line) => line.values)
  const low = Math.floor(Math.min(...values))
  const high = Math.max(low + 1, Math.ceil(Math.max(...values)))
  const x = (index: number, count: number) =>
    margin.left + (index / Math.max(1, count - 1)) * (width - margin.left - margin.right)
  const y = (value: number) =>
    height - margin.bottom - ((value - low) / (high - low)) * (height - margin.top - margin.bottom)

  const grid = Array.from({ length: gridLines + 1 }, (_, index) => {
    const value = low + ((high - low) * index) / gridLines
    const at = y(value).toFixed(1)
    return [
      `<line x1="${margin.left}" x2="${width - margin.right}" y1="${at}" y2="${at}" stroke="#d8d8d8"/>`,
      `<text x="${margin.left - 6}" y="${at}" text-anchor="end" dominant-baseline="middle">${value.toFixed(1)}</text>`
    ].join("")
  })
  const lines = series.map((line, index) => {
    const points = line.values.map((value, step) => `${x(step, line.values.length).toFixed(1)},${y(value).toFixed(1)}`)
    const colour = colours[index % colours.length]
    const labelY = margin.top + 16 * index
    return [
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.join(" ")}"/>`,
      `<text x="${width - margin.right + 10}" y="${labelY}" fill="${colour}">${escaped(line.name)}</text>`
    ].join("")
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    `<title>${escaped(title)}</title>`,
    `<text x="${margin.left}" y="18" font-size="13">${escaped(title)} (${escaped(unit)})</text>`,
    ...grid,
    ...lines,
    "</svg>",
    ""
  ].join("\n")
}

/** Text that stands for itself in XML and HTML. */
export const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
