/** Longest text of a cell; what is longer ends in an ellipsis. */
const cellCharsMax = 100

/** The rows of a table: the columns' names, and of each item what it has under them. */
export const rows = <const Column extends string>(
  items: ReadonlyArray<{ readonly [column: string]: unknown }>,
  columns: ReadonlyArray<Column>
): ReadonlyArray<ReadonlyArray<string>> => [
  columns,
  ...items.map((item) => columns.map((column) => cell(item[column])))
]

/** Columns under each other, two spaces between, the first row in upper case. */
export const table = ([header = [], ...body]: ReadonlyArray<ReadonlyArray<string>>): string => {
  const all = [header.map((name) => name.toUpperCase()), ...body]
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

const cell = (value: unknown): string => {
  if (value === null || value === undefined) return ""
  const text = (typeof value === "object" ? JSON.stringify(value) : String(value)).replace(/\s+/g, " ")
  return text.length <= cellCharsMax ? text : `${text.slice(0, cellCharsMax - 1)}…`
}
