import { Console, type Effect } from "effect"

/** What a line is about; it decides the colour of the line's first word. */
export type Tone = "plain" | "hand" | "loss" | "cause" | "wait" | "work" | "good"

export interface Line {
  readonly tone: Tone
  /** One word, at most `wordLength` characters. */
  readonly word: string
  readonly text: string
}

/** Columns of the terminal that are used. */
export const widthMax = 100
const wordLength = 9
const timeLength = 7
const textColumn = timeLength + 2 + wordLength + 2

const codes: Readonly<Record<Tone, string>> = {
  plain: "0",
  hand: "1;35",
  loss: "31",
  cause: "33",
  wait: "34",
  work: "36",
  good: "32"
}

/** Text on a terminal, or the same text without colours in a file or a pipe. */
export interface DemoScreen {
  readonly heading: (text: string) => Effect.Effect<void>
  readonly note: (text: string) => Effect.Effect<void>
  /** `atMs`: since the act began. */
  readonly line: (atMs: number, line: Line) => Effect.Effect<void>
  /** The first column stands left, the others right. */
  readonly table: (header: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) => Effect.Effect<void>
}

export const make = (options: { readonly colours: boolean }): DemoScreen => {
  const painted = (code: string, text: string) => (options.colours ? `\u001b[${code}m${text}\u001b[0m` : text)
  return {
    heading: (text) => {
      const rule = "─".repeat(Math.max(3, widthMax - text.length - 4))
      return Console.log(`\n${painted("1", `── ${text} ${rule}`)}`)
    },
    note: (text) =>
      Console.log(
        wrapped(text, widthMax - 3)
          .map((line) => painted("2", `   ${line}`))
          .join("\n")
      ),
    line: (atMs, { text, tone, word }) => {
      const at = painted("2", (Math.max(0, atMs) / 1000).toFixed(2).padStart(timeLength))
      const [first, ...rest] = wrapped(text, widthMax - textColumn)
      return Console.log(
        [
          `${at}  ${painted(codes[tone], word.padEnd(wordLength))}  ${first}`,
          ...rest.map((more) => " ".repeat(textColumn) + more)
        ].join("\n")
      )
    },
    table: (header, rows) => {
      const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)))
      const shown = (cells: ReadonlyArray<string>) =>
        cells
          .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
          .join("  ")
      const rule = "─".repeat(shown(header).length)
      return Console.log(
        ["", painted("1", `   ${shown(header)}`), `   ${rule}`, ...rows.map((row) => `   ${shown(row)}`)].join("\n")
      )
    }
  }
}

/** Lines of at most `lengthMax` characters, broken at spaces; a word that is longer is cut. */
const wrapped = (text: string, lengthMax: number): ReadonlyArray<string> => {
  const lines = [""]
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1) ?? ""
    const fitting = word.length <= lengthMax ? word : `${word.slice(0, lengthMax - 1)}…`
    if (line === "") lines[lines.length - 1] = fitting
    else if (line.length + 1 + fitting.length <= lengthMax) lines[lines.length - 1] = `${line} ${fitting}`
    else lines.push(fitting)
  }
  return lines
}
