import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { join, relative, sep } from "node:path"

/** Which other folders each folder of `src` may import (docs/ARCHITECTURE.md). One that is missing may import nothing. */
const mayImport: Record<string, ReadonlyArray<string>> = {
  domain: [],
  eventstore: ["domain", "postgres"],
  postgres: ["../migrations"],
  capabilities: ["domain"],
  bus: ["domain"],
  openlineage: ["domain"],
  sdk: ["domain", "capabilities"],
  actors: ["domain", "eventstore", "capabilities", "sdk"],
  projections: ["domain", "eventstore", "postgres"],
  notify: ["domain", "eventstore", "capabilities", "projections"],
  http: ["domain", "eventstore", "actors", "projections", "bus", "notify"],
  telemetry: ["domain", "eventstore"],
  cli: [
    "domain",
    "eventstore",
    "postgres",
    "capabilities",
    "sdk",
    "actors",
    "projections",
    "http",
    "bus",
    "openlineage",
    "telemetry",
    "notify"
  ],
  "main.ts": ["cli", "../package.json"],
  "index.ts": ["sdk", "domain"]
}

/** Determinism: no clock, id or random value outside Effect's services, so that a seed can replay a run. */
const banned: ReadonlyArray<readonly [pattern: RegExp, instead: string, except?: RegExp]> = [
  [/\bDate\.now\(|\bnew Date\(\)/, "Clock: TestClock must rule time"],
  [/\bMath\.random\(|\brandomUUID\(/, "Random: a seed must replay a run"],
  [/\bas any\b|@ts-ignore|@ts-expect-error|@ts-nocheck/, "a type that is true"],
  // DuckDB is no Postgres: its columns are whatever the user's partitions have.
  [/\bSELECT \*/i, "named columns: the driver cannot decode every type", /^src.capabilities/],
  [/\bFIXME\b|\bXXX\b/, "the fix, before merge"],
  [/\bTODO(?!\(#\d+\))/, "TODO(#issue), or the work itself"]
]

const root = join(import.meta.dirname, "..")
const files = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
const text = (file: string) => readFileSync(join(root, file), "utf8")
const sources = files("src")

describe("the house is tidy", () => {
  it("every import follows the arrows between folders", () => {
    const wrong: Array<string> = []
    for (const file of sources) {
      const part = file.split(sep)[1]!
      for (const [, target] of text(file).matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
        const resolved = relative(root, join(root, file, "..", target!)).split(sep)
        const folder = resolved[0] === "src" ? resolved[1]! : `../${resolved[0]}`
        if (folder !== part && !(mayImport[part] ?? []).includes(folder)) wrong.push(`${file} imports ${target}`)
      }
    }
    assert.deepStrictEqual(wrong, [])
  })

  it("no source reads a clock, draws an id or hides a type", () => {
    const wrong: Array<string> = []
    for (const file of sources) {
      for (const [index, line] of text(file).split("\n").entries()) {
        for (const [pattern, instead, except] of banned) {
          if (pattern.test(line) && except?.test(file) !== true) wrong.push(`${file}:${index + 1}: ${instead}`)
        }
      }
    }
    assert.deepStrictEqual(wrong, [])
  })

  it("no source file is longer than 420 lines, and no test is skipped", () => {
    const wrong: Array<string> = []
    for (const file of sources) {
      const lines = text(file).split("\n").length
      if (lines > 420) wrong.push(`${file} has ${lines} lines`)
    }
    for (const file of files("test")) {
      if (/\b(?:it|test|describe)(?:\.\w+)*\.(?:skip|todo|only)\b/.test(text(file)))
        wrong.push(`${file} skips or isolates a test`)
    }
    assert.deepStrictEqual(wrong, [])
  })
})
