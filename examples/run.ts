import { enableCompileCache } from "node:module"
import { resolve } from "node:path"
import { parseArgs } from "node:util"
import type { Plan } from "./plan.ts"

/** Exit code for what cannot be asked for. */
const wrongUse = 2

// Loaded when asked for: a wrong name is told at once.
const plans: ReadonlyMap<string, () => Promise<{ readonly plan: Plan }>> = new Map([
  ["observatory", () => import("./observatory/plan.ts")],
  ["retail", () => import("./retail/plan.ts")],
  ["fleet", () => import("./fleet/plan.ts")],
  ["directory", () => import("./directory/plan.ts")]
])
const usage = `usage: node examples/run.ts ${[...plans.keys()].join("|")} [--data-dir DIR]`

const given = () => {
  try {
    const { positionals, values } = parseArgs({ allowPositionals: true, options: { "data-dir": { type: "string" } } })
    const [name = ""] = positionals
    const load = plans.get(name)
    if (load === undefined || positionals.length > 1) return usage
    const dataDir = values["data-dir"]
    return { name, load, dataDir: dataDir === undefined ? undefined : resolve(dataDir) }
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}; ${usage}`
  }
}

const asked = given()
if (typeof asked === "string") {
  process.stderr.write(`${asked}\n`)
  process.exitCode = wrongUse
} else {
  enableCompileCache()
  const [{ plan }, { main }] = await Promise.all([asked.load(), import("./play.ts")])
  main(plan, asked)
}
