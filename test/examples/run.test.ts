import { execFile } from "node:child_process"
import { chmodSync, existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFolder } from "../support/engine.ts"

const root = join(import.meta.dirname, "..", "..")
const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> }

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** What `npm run example:<name>` does, with further arguments. */
const example = (name: string, ...args: ReadonlyArray<string>): Effect.Effect<Ended> =>
  Effect.promise(async () => {
    const { DATABASE_URL: _, ...env } = process.env
    const [, ...command] = (scripts[`example:${name}`] ?? `exec node examples/run.ts ${name}`).split(" ").slice(1)
    try {
      return { code: 0, ...(await promisify(execFile)(process.execPath, [...command, ...args], { cwd: root, env })) }
    } catch (error) {
      return error as Ended
    }
  })

describe("npm run example:…", () => {
  for (const [name, byHand, causes, files] of [
    [
      "retail",
      3,
      ["retail.sales.parquet["],
      ["reports/retail-sales/index.html", "reports/retail-sales/revenue-trend.svg", "reports/retail-sales/metrics.json"]
    ],
    [
      "fleet",
      3,
      ["greenhouse.telemetry.instrument[instrument_C] was produced"],
      ["reports/fleet-telemetry/index.html", "reports/fleet-telemetry/temperature.svg"]
    ],
    [
      "directory",
      1,
      ["directory.insights.report was produced"],
      ["reports/insights/index.html", "archives/archives/insights.tar.gz"]
    ]
  ] as const) {
    it.live(`F59 F91: ${name} starts a server, and tells what it made and where, and what came by itself and why`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const folder = yield* temporaryFolder
          // The embedded database runs under a user of its own and must pass through.
          chmodSync(folder, 0o755)
          const { code, stderr, stdout } = yield* example(name, "--data-dir", folder)
          assert.deepStrictEqual([code, stderr], [0, ""])
          assert.match(stdout, /Kintsugi listens on http:\/\/127\.0\.0\.1:\d+, its own Postgres beside it\./)
          const ways = [...stdout.matchAll(/^ +\d+\.\d\d s {2}\S+ made \S.*\n {10}(.*)$/gm)].map(([, way]) => way)
          assert.deepStrictEqual(ways.filter((way) => way === "started by hand").length, byHand, stdout)
          for (const cause of causes) assert.include(stdout, `by itself: ${cause}`)
          for (const file of files) {
            assert.isTrue(existsSync(join(folder, "data", file)), file)
            assert.include(stdout, `  ${file}\n`)
          }
          assert.match(stdout, /\.parquet\n/)
          assert.include(stdout, `The page: file://${join(folder, "data", files[0])}\n`)
        })
      )
    )
  }

  it.live("F53 F91: the observatory needs two minutes and a calibration: all else starts by itself and says why", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        chmodSync(folder, 0o755)
        const { code, stderr, stdout } = yield* example("observatory", "--data-dir", folder)
        assert.deepStrictEqual([code, stderr], [0, ""])
        assert.strictEqual(stdout.match(/^ {10}started by hand$/gm)?.length, 3)
        for (const cause of [
          /observatory-minute-ingest\[\S+ made [^\n]*\n +by itself: observatory\.inbox\.csv\[\S+ was produced/,
          /observatory-daily-publication\[\S+ made [^\n]*\n +by itself: observatory\.timeseries\.timestore\[\S+ was produced/,
          /observatory-dashboard-aggregate made [^\n]*\n +by itself: observatory\.burst\.window\[\S+ has expired/,
          /observatory-minute-ingest\[\S+ made [^\n]*\n +by itself: observatory\.inbox\.normalized\[\S+ was marked stale/
        ]) {
          assert.match(stdout, cause)
        }
        const [, page = ""] = /The page: file:\/\/(\S+)/.exec(stdout) ?? []
        assert.match(readFileSync(page, "utf8"), /<svg [\s\S]*PM2\.5/)
      })
    )
  )

  it.live("an example that there is not, or an option that there is not, ends with exit 2 and the usage", () =>
    Effect.gen(function* () {
      for (const args of [["nobody"], ["retail", "fleet"], ["retail", "--port", "1"]] as const) {
        const { code, stderr } = yield* example(args[0], ...args.slice(1))
        assert.strictEqual(code, 2)
        assert.match(
          stderr,
          /usage: node examples\/run\.ts observatory\|retail\|fleet\|directory \[--data-dir DIR\]\n$/
        )
      }
    })
  )
})
