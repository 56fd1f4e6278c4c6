import { assert, describe, it } from "@effect/vitest"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll } from "vitest"
import { runScript } from "./kintsugi.ts"

interface Loaded {
  readonly ok: boolean
  readonly folder: string
  readonly jobs: ReadonlyArray<string>
  readonly message: string
  readonly trace: string | null
}

const folder = mkdtempSync(join(tmpdir(), "kintsugi-app-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const write = (name: string, text: string): string => {
  const file = join(folder, name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  return file
}

const loadAll = async (...files: ReadonlyArray<string>): Promise<ReadonlyArray<Loaded>> => {
  const { code, stderr, stdout } = await runScript("test/cli/loadApp.ts", files, { cwd: folder })
  assert.strictEqual(code, 0, stderr)
  return stdout
    .trimEnd()
    .split("\n")
    .map((line): Loaded => JSON.parse(line))
}
const load = async (file: string): Promise<Loaded> => (await loadAll(file))[0]!

const typescript = `
import { defineApp, defineJob, type JobContext } from "kintsugi"
import { Effect } from "effect"
import { Schema } from "effect"
const slug: string = "typed"
const run = (ctx: JobContext) => Effect.succeed({ result: { at: ctx.attempt, isSchema: Schema.isSchema(Schema.String) } })
export default defineApp({ jobs: [defineJob({ slug, run })] })`

const javascript = `
import { defineApp, defineJob } from "kintsugi"
export default defineApp({ jobs: [defineJob({ slug: "plain", run: () => ({}) })] })`

const commonjs = `
const { defineApp, defineJob } = require("kintsugi")
module.exports = defineApp({ jobs: [defineJob({ slug: "common", run: () => ({}) })] })`

describe("loading an app module", () => {
  it("takes TypeScript and JavaScript from anywhere on the disk, without an install", async () => {
    const loaded = await loadAll(
      write("plain/app.ts", typescript),
      write("plain/app.mts", typescript),
      write("plain/app.js", javascript),
      write("plain/app.mjs", javascript),
      write("plain/app.cjs", commonjs)
    )
    assert.deepStrictEqual(
      loaded.map(({ jobs }) => jobs?.[0]),
      ["typed", "typed", "plain", "plain", "common"]
    )
    assert.strictEqual(loaded[0]?.folder, join(folder, "plain"))
  })

  it("takes an ES module where the package says nothing about its type, or says module", async () => {
    write("untyped/package.json", `{ "name": "x" }`)
    write("esm/package.json", `{ "type": "module" }`)
    const loaded = await loadAll(
      write("untyped/app.ts", typescript),
      write("untyped/app.js", javascript),
      write("esm/app.ts", typescript),
      write("esm/app.js", javascript)
    )
    assert.deepStrictEqual(
      loaded.map(({ ok }) => ok),
      [true, true, true, true]
    )
  })

  it("gives an app our effect, and a package that an app has installed its own", async () => {
    write("own/node_modules/effect/package.json", `{ "name": "effect", "type": "module", "exports": "./index.js" }`)
    write("own/node_modules/effect/index.js", `export const mine = "the package's own"`)
    write("own/node_modules/helper/package.json", `{ "name": "helper", "type": "module", "exports": "./index.js" }`)
    write("own/node_modules/helper/index.js", `export { mine } from "effect"`)
    const file = write(
      "own/app.ts",
      `import { mine } from "helper"
       import { Effect } from "effect"
       import { defineApp, defineJob } from "kintsugi"
       const run = () => Effect.void
       export default defineApp({ jobs: [defineJob({ slug: mine.includes("own") && Effect.isEffect(run()) ? "both" : "no", run })] })`
    )
    assert.deepStrictEqual((await load(file)).jobs, ["both"])
  })

  it("tells in one line that the file is not there, or is a folder", async () => {
    const [missing, directory] = await loadAll("nowhere.ts", ".")
    assert.strictEqual(missing?.message, `--app (KINTSUGI_APP): ${join(folder, "nowhere.ts")} does not exist`)
    assert.strictEqual(directory?.message, `--app (KINTSUGI_APP): ${folder} is not a file`)
  })

  it("tells in one line that there is no default export, or one that defineApp did not make", async () => {
    const [none, other] = await loadAll(
      write("none.ts", "export const a = 1"),
      write("other.ts", "export default { jobs: [] }")
    )
    assert.match(none?.message ?? "", /none\.ts has no default export: it must be export default defineApp/)
    assert.match(other?.message ?? "", /other\.ts .* not made by defineApp/)
  })

  it("a module that ends the process is told in one line, exit 2, also when it does so while others wait", async () => {
    for (const text of ["process.exit(0)", "await new Promise(() => setTimeout(() => process.exit(7), 10))"]) {
      const file = write("exits.mjs", text)
      const { code, stderr, stdout } = await runScript("test/cli/loadApp.ts", [file], { cwd: folder })
      assert.deepStrictEqual([code, stdout], [2, ""])
      assert.match(
        stderr,
        /^kintsugi: --app \(KINTSUGI_APP\): \S*exits\.mjs ended the process at import: .*exit\([07]\)\n$/
      )
    }
  })

  it("names every fault of the app, and an unknown store among them", async () => {
    const { message } = await load(
      write(
        "faults.ts",
        `import { defineApp } from "kintsugi"
         export default defineApp({ stores: { a: { type: "tape" } }, timestore: { store: "b" }, extra: 1 } as never)`
      )
    )
    assert.match(message, /faults\.ts is not a valid app: .*extra: is not a known field/)
    assert.match(message, /stores\.a: must be a store/)
  })

  it("shows the user's own stack when the module throws at import, and nothing of ours", async () => {
    const file = write(
      "throws.ts",
      [
        `import { defineApp } from "kintsugi"`,
        "interface Unused { readonly a: 1 }",
        `const read = () => { throw new Error("no such customer", { cause: new Error("row 3") }) }`,
        "read()",
        "export default defineApp({})"
      ].join("\n")
    )
    const { message, trace } = await load(file)

    assert.match(message, /throws\.ts threw at import: no such customer$/)
    const lines = trace?.split("\n") ?? []
    assert.strictEqual(lines[0], "Error: no such customer")
    // Types are blanked, not removed: lines and columns are those of the file.
    assert.match(lines[1] ?? "", /^ {4}at read \(.*throws\.ts:3:28\)$/)
    assert.match(lines[2] ?? "", /throws\.ts:4:1/)
    assert.include(trace ?? "", "Caused by: Error: row 3")
    assert.notMatch(trace ?? "", /node:|src\/cli|node_modules/)
  })

  it("shows something thrown that is no error", async () => {
    const { trace } = await load(write("string.ts", `throw { reason: "none" }`))
    assert.strictEqual(trace, "{ reason: 'none' }")
  })

  it("tells what cannot be parsed, stripped or found", async () => {
    const [syntax, enumeration, absent, misnamed] = await loadAll(
      write("syntax.ts", "export default 3 +"),
      write("enum.ts", "enum A { B }\nexport default A"),
      write("absent.ts", `import "lodash-not-here"\nexport default 1`),
      write("misnamed.ts", `import { defineAp } from "kintsugi"\nexport default defineAp`)
    )
    assert.match(syntax?.message ?? "", /syntax\.ts cannot be loaded: \/.*syntax\.ts:1: \w/)
    assert.match(
      enumeration?.message ?? "",
      /enum\.ts cannot be loaded: .*enum\.ts:1: TypeScript enum is not supported/
    )
    assert.match(absent?.message ?? "", /absent\.ts cannot be loaded: Cannot find package 'lodash-not-here'/)
    assert.match(misnamed?.message ?? "", /does not provide an export named 'defineAp'/)
    assert.match(misnamed?.message ?? "", /misnamed\.ts:1: /)
    // The line names the place: there is no code of anybody's that a trace could lead to.
    for (const told of [syntax, enumeration, absent, misnamed]) assert.isNull(told?.trace)
  })

  it("names the imported file that cannot be read, and keeps the trace of a text that the app itself parses", async () => {
    write("broken.ts", "\n\nexport const a = {,}")
    const [imported, parses] = await loadAll(
      write("imports.ts", `import "./broken.ts"\nexport default 1`),
      write("parses.ts", `\nexport default JSON.parse("{")`)
    )
    assert.match(imported?.message ?? "", /imports\.ts cannot be loaded: .*broken\.ts:3: \w/)
    assert.match(parses?.message ?? "", /parses\.ts threw at import: /)
    assert.match(parses?.trace ?? "", /parses\.ts:2/)
  })
})
