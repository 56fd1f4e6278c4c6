import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { campaign } from "./campaign.ts"
import { reportLines } from "./report.ts"

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "100" },
    seed: { type: "string", default: "1" },
    /** Writes the report into docs/CHAOS.md. */
    report: { type: "boolean", default: false },
    /** Keeps the database and the stores for a look. */
    keep: { type: "boolean", default: false }
  }
})

const whole = (name: "kills" | "seed"): number => {
  const number = Number(values[name])
  if (Number.isSafeInteger(number) && number >= 0) return number
  process.stderr.write(`--${name}: must be a whole number, is ${values[name]}\n`)
  process.exit(2)
}

const markers = ["<!-- report -->", "<!-- end of report -->"] as const

const writeReport = (lines: ReadonlyArray<string>): void => {
  const file = join(import.meta.dirname, "../../docs/CHAOS.md")
  const text = readFileSync(file, "utf8")
  const [begin, end] = markers.map((marker) => text.indexOf(marker)) as [number, number]
  if (begin < 0 || end < begin) throw new Error(`${file}: has no section between ${markers.join(" and ")}`)
  writeFileSync(file, `${text.slice(0, begin + markers[0].length)}\n\n${lines.join("\n")}\n\n${text.slice(end)}`)
}

const kills = whole("kills")
const seed = whole("seed")
const folder = mkdtempSync(join(tmpdir(), "kintsugi-chaos-"))
let failed = false
try {
  process.stdout.write(`seed ${seed}, ${kills} kills, in ${folder}\n`)
  const outcome = await campaign({
    ...{ kills, seed, folder, clients: 4, lifeMsMax: 1_500, severe: true },
    say: (line) => process.stdout.write(`${line}\n`)
  })
  const lines = reportLines(outcome)
  process.stdout.write(`\n${lines.join("\n")}\n`)
  for (const fault of outcome.faults) process.stderr.write(`fault: ${fault}\n`)
  failed = outcome.faults.length > 0
  if (values.report) writeReport(lines)
} catch (thrown) {
  failed = true
  process.stderr.write(`${thrown instanceof Error ? thrown.message : String(thrown)}\n`)
} finally {
  if (values.keep) process.stdout.write(`kept: ${folder}\n`)
  else rmSync(folder, { recursive: true, force: true })
}
process.exit(failed ? 1 : 0)
