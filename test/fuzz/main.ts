import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { campaign } from "./campaign.ts"
import { neverDone } from "./tally.ts"

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    /** The number of the first request. */
    from: { type: "string", default: "0" },
    concurrency: { type: "string", default: "2" },
    /** Keeps the database and the stores for a look. */
    keep: { type: "boolean", default: false }
  }
})

const whole = (name: "seconds" | "seed" | "from" | "concurrency"): number => {
  const number = Number(values[name])
  if (Number.isSafeInteger(number) && number >= 0) return number
  process.stderr.write(`--${name}: must be a whole number, is ${values[name]}\n`)
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), "kintsugi-fuzz-"))
let failed = false
try {
  const outcome = await campaign({
    ...{ seed: whole("seed"), from: whole("from"), seconds: whole("seconds"), concurrency: whole("concurrency") },
    ...{ requests: Number.MAX_SAFE_INTEGER, folder, say: (line) => process.stdout.write(`${line}\n`) }
  })
  const { answers, sent, statuses } = outcome.tally
  for (const [name, counts] of Object.entries(answers).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    process.stdout.write(`${name}: ${JSON.stringify(counts)}\n`)
  }
  process.stdout.write(`${sent} requests, ${outcome.faults.length} faults, ${JSON.stringify(statuses)}\n`)
  const never = neverDone(outcome.tally).map(({ id }) => id)
  process.stdout.write(`never answered 2xx: ${never.join(", ") || "none"}\n`)
  failed = outcome.faults.length > 0
} catch (thrown) {
  failed = true
  process.stderr.write(`${thrown instanceof Error ? thrown.message : String(thrown)}\n`)
} finally {
  if (values.keep) process.stdout.write(`kept: ${folder}\n`)
  else rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
}
process.exit(failed ? 1 : 0)
