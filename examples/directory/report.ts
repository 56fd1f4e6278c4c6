import { barChart } from "../charts.ts"
import { escaped, page, table } from "../page.ts"
import type { ScanResults } from "./scan.ts"

const barsMax = 12
const kb = 1024

/** `index.html`, with its plots inside: it needs no file beside it. */
export const reportHtml = (title: string, scan: ScanResults): string => {
  const { extensionStats, largestFiles, sizeDistribution } = scan
  const extensions = extensionStats.slice(0, barsMax)
  return page(title, [
    `<p>${escaped(scan.rootPath)}</p>`,
    table(["What", "value"], facts(scan)),
    barChart(
      { name: "sizes", title: "Files by size", unit: "files", labels: sizeDistribution.map(({ label }) => label) },
      sizeDistribution.map(({ count }) => count)
    ),
    barChart(
      {
        name: "extensions",
        title: "Space by extension",
        unit: "KB",
        labels: extensions.map(({ extension }) => extensionName(extension))
      },
      extensions.map(({ totalSize }) => Number((totalSize / kb).toFixed(1)))
    ),
    table(
      ["Largest files", "bytes", "modified"],
      largestFiles.map(({ modifiedAt, relativePath, size }) => [relativePath, String(size), modifiedAt])
    ),
    scan.issues.length === 0
      ? ""
      : table(
          ["Not read", "why"],
          scan.issues.map((issue) => [issue.relativePath, issue.message])
        )
  ])
}

/** `summary.md` */
export const summaryMarkdown = (title: string, scan: ScanResults): string =>
  [
    `# ${title}`,
    "",
    ...facts(scan).map(([what, value]) => `- ${what}: ${value}`),
    "",
    "| extension | files | bytes |",
    "| --- | ---: | ---: |",
    ...scan.extensionStats
      .slice(0, barsMax)
      .map(({ count, extension, totalSize }) => `| ${extensionName(extension)} | ${count} | ${totalSize} |`),
    ""
  ].join("\n")

const extensionName = (extension: string): string => (extension === "" ? "(none)" : extension)

const facts = ({ summary }: ScanResults): ReadonlyArray<readonly [what: string, value: string]> => [
  ["files", String(summary.totalFiles)],
  ["directories", String(summary.totalDirectories)],
  ["bytes", String(summary.totalSize)],
  ["bytes a file", String(summary.averageFileSize)],
  ["deepest level", String(summary.maxDepth)],
  ["modified", `${summary.earliestModifiedAt ?? "never"} to ${summary.latestModifiedAt ?? "never"}`],
  ...(summary.truncated ? [["not complete", `only the first ${summary.maxEntries} entries`] as const] : [])
]
