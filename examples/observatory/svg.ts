/** One line of a chart: a value a step of time, all steps equally long. */
export interface Series {
  readonly name: string
  readonly values: ReadonlyArray<number>
}

const width = 640
const height = 240
const margin = { top: 36, right: 104, bottom: 32, left: 48 }
const colours = ["#1f5f8b", "#c8553d", "#4f772d", "#7b4b94"]
/** About so many grid lines; their values are round. */
const gridLines = 4

/**
 * A line chart as SVG text. `labels` stand below, the first at the left end and the last at the right one. The same
 * arguments give the same bytes.
 */
export const lineChart = (
  title: string,
  unit: string,
  series: ReadonlyArray<Series>,
  labels: ReadonlyArray<string> = []
): string => {
  const values = series.flatMap((line) => line.values)
  const step = roundStep(Math.max(...values) - Math.min(...values))
  const low = Math.floor(Math.min(...values) / step) * step
  const high = Math.max(low + step, Math.ceil(Math.max(...values) / step) * step)
  const x = (index: number, count: number) =>
    margin.left + (index / Math.max(1, count - 1)) * (width - margin.left - margin.right)
  const y = (value: number) =>
    height - margin.bottom - ((value - low) / (high - low)) * (height - margin.top - margin.bottom)

  const grid = Array.from({ length: Math.round((high - low) / step) + 1 }, (_, index) => {
    const value = low + step * index
    const at = y(value).toFixed(1)
    return [
      `<line x1="${margin.left}" x2="${width - margin.right}" y1="${at}" y2="${at}" stroke="#d8d8d8"/>`,
      `<text x="${margin.left - 6}" y="${at}" text-anchor="end" dominant-baseline="central">${value.toFixed(step < 1 ? 1 : 0)}</text>`
    ].join("")
  })
  const axis = labels.map(
    (label, index) =>
      `<text x="${x(index, labels.length).toFixed(1)}" y="${height - 10}" text-anchor="middle">${escaped(label)}</text>`
  )
  const lines = series.map((line, index) => {
    const points = line.values.map((value, at) => `${x(at, line.values.length).toFixed(1)},${y(value).toFixed(1)}`)
    const colour = colours[index % colours.length]
    const labelY = margin.top + 4 + 16 * index
    return [
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.join(" ")}"/>`,
      `<text x="${width - margin.right + 10}" y="${labelY}" fill="${colour}">${escaped(line.name)}</text>`
    ].join("")
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    `<title>${escaped(title)}</title>`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    `<text x="${margin.left}" y="18" font-size="13">${escaped(title)} (${escaped(unit)})</text>`,
    ...grid,
    ...axis,
    ...lines,
    "</svg>",
    ""
  ].join("\n")
}

/** 0.5, 1, 2, 5, 10, …: the least that parts the span by about `gridLines` lines. */
const roundStep = (span: number): number => {
  let step = 0.5
  for (let index = 0; step * (gridLines + 1) < span; index++) step *= index % 3 === 2 ? 2.5 : 2
  return step
}

/** Text that stands for itself in XML and HTML. */
export const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
