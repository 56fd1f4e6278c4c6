import { execFileSync } from "node:child_process"
import { rmSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import app from "../../examples/directory/app.ts"
import { madeFiles, makeFiles } from "../../examples/directory/generator.ts"
import { archive } from "../../examples/directory/jobs/archive.ts"
import { defineApp } from "../../src/index.ts"
import { eventsOf, ran, recoveries, stepOf, succeeded } from "../support/engine.ts"
import { type Files, followed, logged, playExample, producersSince, startedThemselves } from "./playExample.ts"

const reporting = "directory-insights-report"
const archiving = "directory-insights-archive"
const names = ["index.html", "scan-data.json", "summary.md"]
const artifact = (name: string) => `data/reports/insights/${name}`
const archiveFile = "data/archives/archives/insights.tar.gz"
const parquet = "data/lake/timestore/directory_extensions/insights.parquet"

/** A made-up folder scanned and reported on. */
const reported = Effect.fnUntraced(function* ({ folder }: Files) {
  const scanDir = join(folder, "scanned")
  yield* Effect.promise(() => makeFiles(scanDir))
  symlinkSync(join(folder, "data"), join(scanDir, "link-to-a-folder"))
  symlinkSync("nowhere", join(scanDir, "link-to-nothing"))
  return yield* succeeded(reporting, undefined, { scanDir })
})

const packed = ({ folder }: Files): ReadonlyArray<string> =>
  execFileSync("tar", ["-tzf", join(folder, archiveFile)], { encoding: "utf8" })
    .trim()
    .split("\n")

describe("directory insights", () => {
  it.live("F54 F91: a folder is scanned and reported on with plots, and the report is packed by itself", () =>
    playExample(app, (files) =>
      Effect.gen(function* () {
        const run = yield* reported(files)
        const made = madeFiles()
        const { scanResults } = stepOf(run, "scan").result as { scanResults: { summary: Record<string, unknown> } }
        assert.deepStrictEqual(scanResults.summary, {
          totalFiles: 35,
          totalDirectories: 7,
          totalSize: made.reduce((sum, { bytes }) => sum + bytes, 0),
          averageFileSize: Math.round(made.reduce((sum, { bytes }) => sum + bytes, 0) / 35),
          maxDepth: 4,
          earliestModifiedAt: made.map(({ modifiedAt }) => modifiedAt).sort()[0],
          latestModifiedAt: made
            .map(({ modifiedAt }) => modifiedAt)
            .sort()
            .at(-1),
          truncated: false,
          maxEntries: 20_000
        })
        assert.deepStrictEqual(files.list("data/reports/insights"), names)
        const html = files.text(artifact("index.html"))
        assert.strictEqual(html.match(/<svg [\s\S]*?<\/svg>/g)?.length, 2)
        assert.deepStrictEqual(JSON.parse(files.text(artifact("scan-data.json"))), scanResults)
        assert.include(files.text(artifact("summary.md")), "- files: 35\n")
        assert.match(files.bytes(parquet), /^PAR1[\s\S]*PAR1$/)

        const packing = yield* followed(archiving, run.id)
        assert.deepStrictEqual([...packed(files)].sort(), names)
        const [asset] = stepOf(packing, "zip-report").producedAssets
        const { artifacts, generatedAt, ...payload } = asset!.payload as Record<string, unknown>
        assert.deepStrictEqual(payload, {
          archivePath: "archives/insights.tar.gz",
          archiveDir: "archives",
          archiveName: "insights.tar.gz",
          sourceAssetId: "directory.insights.report",
          sourceOutputDir: "insights",
          reportTitle: "Directory insights",
          artifactCount: 3
        })
        assert.match(String(generatedAt), /^\d{4}-\d{2}-\d{2}T.*Z$/)
        assert.deepStrictEqual(
          (artifacts as ReadonlyArray<{ relativePath: string; sizeBytes: number }>).map((each) => [
            each.relativePath,
            each.sizeBytes
          ]),
          ["scan-data.json", "index.html", "summary.md"].map((name) => [name, files.bytes(artifact(name)).length])
        )
      })
    )
  )

  for (const name of names) {
    it.live(`F91: ${name} of the report is deleted, and the archive waits until it is written again`, () =>
      playExample(app, (files) =>
        Effect.gen(function* () {
          yield* followed(archiving, (yield* reported(files)).id)
          const lost = [...names.map(artifact), archiveFile]
          const before = lost.map(files.digest)
          const from = yield* logged
          files.remove(artifact(name), archiveFile)
          const run = yield* succeeded(archiving)
          assert.deepStrictEqual(lost.map(files.digest), before)
          assert.deepStrictEqual(yield* producersSince(from), { "report[]": 1 }, "and the folder is not scanned again")
          assert.strictEqual(stepOf(run, "zip-report").attempt, 1)
          assert.strictEqual(yield* startedThemselves(archiving), 1, "equal bytes are news to nobody")
        })
      )
    )
  }

  it.live("F91: an artifact that goes while it is being packed is a typed loss, and costs no retry", () => {
    const lose: Array<string> = []
    const careless: typeof archive = {
      ...archive,
      run: (ctx) => {
        for (const path of lose.splice(0)) rmSync(path)
        return archive.run(ctx)
      }
    }
    const jobs = [...(app.jobs ?? []).filter(({ slug }) => slug !== archive.slug), careless]
    return playExample(defineApp({ ...app, jobs }), (files) =>
      Effect.gen(function* () {
        yield* followed(archiving, (yield* reported(files)).id)
        lose.push(join(files.folder, artifact("summary.md")))
        const run = yield* succeeded(archiving)
        const [failed] = yield* eventsOf(`run-${run.id}`, "StepFailed")
        const failure = failed!.failure as { class: string; message: string }
        assert.strictEqual(failure.class, "asset_missing")
        assert.include(failure.message, "Artifact not found: insights/summary.md")
        const [recovery] = yield* recoveries
        assert.deepStrictEqual([recovery!.assetId, recovery!.status], ["directory.insights.report", "succeeded"])
        assert.strictEqual((yield* eventsOf(`run-${run.id}`, "StepRetryScheduled")).length, 0)
        assert.deepStrictEqual([...packed(files)].sort(), names)
      })
    )
  })

  it.live("a scan stops at the entries that it may look at, and says that it is not complete", () =>
    playExample(app, (files) =>
      Effect.gen(function* () {
        const scanDir = join(files.folder, "many")
        execFileSync("sh", ["-c", `mkdir ${scanDir} && cd ${scanDir} && seq -w 1001 | xargs touch`])
        const run = yield* succeeded(reporting, undefined, { scanDir, maxEntries: 1_000 })
        const { scanResults } = stepOf(run, "scan").result as { scanResults: { summary: Record<string, unknown> } }
        assert.deepStrictEqual([scanResults.summary.totalFiles, scanResults.summary.truncated], [1_000, true])
        assert.include(files.text(artifact("summary.md")), "- not complete: only the first 1000 entries")
      })
    )
  )

  it.live("a folder that is not there, or no folder, or a relative path, fails for good and says what is right", () =>
    playExample(app, ({ folder }) =>
      Effect.gen(function* () {
        for (const [scanDir, right] of [
          [join(folder, "nowhere"), "must be a folder that can be read (ENOENT)"],
          [join(import.meta.dirname, "directory.test.ts"), "must be a folder"],
          ["docs", "must be an absolute path, not docs"]
        ] as const) {
          const run = yield* ran(reporting, undefined, { scanDir })
          assert.strictEqual(run.failure?.class, "permanent")
          assert.include(run.failure?.message, right)
        }
      })
    )
  )
})
