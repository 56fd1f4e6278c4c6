import { assert, describe, it } from "@effect/vitest"
import { Completions } from "effect/cli"
import { OpenApi } from "effect/http-api"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { root as command } from "../../src/cli/Cli.ts"
import * as Catalogue from "../../src/cli/SettingCatalogue.ts"
import { ReasonCode } from "../../src/domain/recovery/RecoveryEvents.ts"
import { Api } from "../../src/http/api/Api.ts"

const root = join(import.meta.dirname, "../..")
const docs = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"))
const textOf = (name: string) => readFileSync(join(root, "docs", name), "utf8")
/** What is code: whole blocks by line, and what stands between backticks. */
const code = (text: string): ReadonlyArray<string> => {
  const blocks = [...text.matchAll(/```\w*\n([\s\S]*?)```/g)].flatMap(([, block]) => block!.split("\n"))
  const inline = [...text.replace(/```[\s\S]*?```/g, "").matchAll(/`([^`]+)`/g)].map(([, part]) =>
    part!.replace(/\s+/g, " ")
  )
  return [...blocks, ...inline]
}
const everywhere = docs.flatMap((name) => code(textOf(name)).map((part) => ({ name, part })))

/** The commands that are named in a text, with the first words after `kintsugi`. */
const commandsIn = (part: string) =>
  [...part.matchAll(/(?:^|[\s(;|&])(?:bin\/)?kintsugi ([a-z-][^|&;#>]*)/g)].map(([, rest]) => rest!.trim().split(/\s+/))

const faultOf = (words: ReadonlyArray<string>): string | null => {
  let at = Completions.fromCommand(command)
  const flags = new Set(["help", "json", "version", "completions", "log-level"])
  let isNamed = false
  for (const word of words) {
    // What follows is an argument, or the shell to complete for.
    if (word === "--" || word === "--completions") return null
    if (word.startsWith("--")) {
      const flag = word.slice(2).replace(/=.*/, "").replace(/\W+$/, "")
      if (!at.flags.some(({ name }) => name === flag) && !flags.has(flag)) return `${at.name} has no --${flag}`
      continue
    }
    const below = at.subcommands.find(({ name }) => name === word)
    if (below !== undefined) at = below
    else if (!isNamed && at.subcommands.length > 0 && at.arguments.length === 0) return `there is no ${word}`
    isNamed = at !== below && at.subcommands.length === 0
  }
  return null
}

describe("what the manual names exists", () => {
  it("F86: every command and flag", () => {
    const found = everywhere.flatMap(({ name, part }) =>
      commandsIn(part).map((words) => ({ told: `${name}: kintsugi ${words.join(" ")}`, fault: faultOf(words) }))
    )
    assert.isAbove(found.length, 50)
    assert.deepStrictEqual(
      found.filter(({ fault }) => fault !== null),
      []
    )
  })

  it("F86: every endpoint", () => {
    const normal = (path: string) => path.replace(/^\/api\/v1/, "").replace(/\{[^}]*\}/g, "{}")
    const known = new Set(
      Object.entries(OpenApi.fromApi(Api).paths).flatMap(([path, item]) =>
        Object.keys(item as object).map((method) => `${method.toUpperCase()} ${normal(path)}`)
      )
    )
    const unknown = ["OPERATIONS.md", "OUTAGE.md", "CLI.md", "DEPLOYMENT.md"].flatMap((name) =>
      code(textOf(name)).flatMap((part) =>
        [...part.matchAll(/\b(GET|POST|PUT|DELETE) (\/[\w/{}-]+)/g)]
          .map(([, method, path]) => ({ method, path: normal(path!) }))
          // An example's own names stand where the API has a parameter.
          .filter(({ method, path }) => !known.has(`${method} ${path}`))
          .filter(
            ({ method, path }) => !known.has(`${method} ${path.replace(/^\/workflows\/\w+\//, "/workflows/{}/")}`)
          )
          .map(({ method, path }) => `${name}: ${method} ${path}`)
      )
    )
    assert.deepStrictEqual(unknown, [])
  })

  it("F86 F81: every metric and every setting", () => {
    const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => readFileSync(join(root, "src", file), "utf8"))
      .join("\n")
    const settings = new Set(
      Catalogue.groups.flatMap(({ settings }) => Object.values(settings).map(({ variable }) => variable))
    )
    const wrong = everywhere.flatMap(({ name, part }) =>
      [
        ...[...part.matchAll(/\bkintsugi_[a-z_]+[a-z]/g)]
          .map(([metric]) => metric)
          .filter((metric) => !sources.includes(metric)),
        ...[...part.matchAll(/\bKINTSUGI_[A-Z_]+[A-Z]\b/g)]
          .map(([variable]) => variable)
          .filter((variable) => !settings.has(variable) && !/^KINTSUGI_(?:TEST|BENCH|CHAOS|APP_DIR)/.test(variable))
      ].map((wrongName) => `${name}: ${wrongName}`)
    )
    assert.deepStrictEqual(wrong, [])
  })
})

describe("docs/OPERATIONS.md", () => {
  it("F86: has every reason code and no SQL", () => {
    const text = textOf("OPERATIONS.md")
    for (const reason of ReasonCode.literals) assert.include(text, `| \`${reason}\` |`)
    assert.notMatch(text, /\b(?:SELECT|UPDATE|INSERT|DELETE FROM|psql|VACUUM)\b/)
  })
})
