import type { InstrumentMetrics } from "./statistics.ts"
import { escaped } from "./svg.ts"

/** What `metrics.json` of a minute holds. */
export interface MinuteMetrics {
  readonly minute: string
  readonly instruments: ReadonlyArray<InstrumentMetrics>
}

export type Verdict = "quiet" | "burst"

/** A minute is a burst when any instrument measured one. */
export const verdictOf = ({ instruments }: MinuteMetrics): Verdict =>
  instruments.some(({ burstSamples }) => burstSamples > 0) ? "burst" : "quiet"

const header = ["instrument", "site", "samples", "temperature °C", "humidity %", "PM2.5 µg/m³ (max)", "battery V"]

const rows = ({ instruments }: MinuteMetrics): ReadonlyArray<ReadonlyArray<string>> =>
  instruments.map((metrics) => [
    metrics.instrumentId,
    metrics.site,
    String(metrics.samples),
    metrics.temperatureC.mean.toFixed(2),
    metrics.humidityPct.mean.toFixed(1),
    metrics.pm25.max.toFixed(2),
    metrics.batteryVoltageMin.toFixed(3)
  ])

const title = (metrics: MinuteMetrics): string => `Observatory, minute ${metrics.minute}: ${verdictOf(metrics)}`

const tableRow = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`

/** `status.md` */
export const statusMarkdown = (metrics: MinuteMetrics): string =>
  [
    `# ${title(metrics)}`,
    "",
    tableRow(header),
    tableRow(header.map(() => "---")),
    ...rows(metrics).map(tableRow),
    ""
  ].join("\n")

const htmlRow = (tag: "td" | "th", cells: ReadonlyArray<string>): string =>
  `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("")}</tr>`

/** `status.html`, with the plots inside, so that the page needs nothing else. */
export const statusHtml = (metrics: MinuteMetrics, plots: ReadonlyArray<string>): string =>
  [
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escaped(title(metrics))}</title>`,
    "<style>body{font-family:sans-serif;margin:2rem}td,th{padding:.2rem .8rem;text-align:left}</style>",
    `<h1>${escaped(title(metrics))}</h1>`,
    `<table>${htmlRow("th", header)}${rows(metrics)
      .map((row) => htmlRow("td", row))
      .join("")}</table>`,
    ...plots,
    "</html>",
    ""
  ].join("\n")

/** `status.json` */
export const statusJson = (metrics: MinuteMetrics): string =>
  `${JSON.stringify({ minute: metrics.minute, verdict: verdictOf(metrics), instruments: metrics.instruments.length }, null, 2)}\n`
