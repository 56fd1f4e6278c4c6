import { execFileSync } from "node:child_process"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import app from "../../examples/directory/app.ts"
import { madeFiles } from "../../examples/directory/generator.ts"
import { reportHtml } from "../../examples/directory/report.ts"
import { type FoundFile, scanResultsOf, sizeDistribution } from "../../examples/directory/scan.ts"
import { tar } from "../../examples/directory/tar.ts"
import { walk } from "../../examples/directory/walk.ts"
import { checkApp } from "../../src/sdk/AppCheck.ts"
import { temporaryFolder } from "../support/engine.ts"

const file = (relativePath: string, size: number, modifiedAt = 0): FoundFile => ({ relativePath, size, modifiedAt })
const found = (files: ReadonlyArray<FoundFile>, folders: ReadonlyArray<string> = []) =>
  scanResultsOf("/root", 1_000, {
    files,
    directories: folders.map((relativePath) => ({ relativePath })),
    issues: [],
    truncated: false
  })

describe("a scan", () => {
  it("counts files by size, the upper bound of each class included", () => {
    const sizes = [0, 1024, 1025, 10_240, 10_241, 102_400, 102_401, 1_048_576, 1_048_577, 10_485_760, 10_485_761]
    assert.deepStrictEqual(
      sizeDistribution(sizes.map((size) => ({ size }))).map(({ count, label }) => [label, count]),
      [
        ["0-1KB", 2],
        ["1-10KB", 2],
        ["10-100KB", 2],
        ["100KB-1MB", 2],
        ["1-10MB", 2],
        [">10MB", 1]
      ]
    )
    assert.strictEqual(sizeDistribution([{ size: 3 }, { size: 4 }])[0]?.totalSize, 7)
  })

  it("has sums, mean, depths and times", () => {
    const scan = found([file("a.TS", 10, 5), file("src/b.ts", 20, 9), file("src/deep/c", 1, 7)], ["src", "src/deep"])
    assert.deepStrictEqual(scan.summary, {
      totalFiles: 3,
      totalDirectories: 2,
      totalSize: 31,
      averageFileSize: 10,
      maxDepth: 3,
      earliestModifiedAt: "1970-01-01T00:00:00.005Z",
      latestModifiedAt: "1970-01-01T00:00:00.009Z",
      truncated: false,
      maxEntries: 1_000
    })
    assert.deepStrictEqual(scan.depthStats, [
      { depth: 1, files: 1, directories: 1, totalSize: 10 },
      { depth: 2, files: 1, directories: 1, totalSize: 20 },
      { depth: 3, files: 1, directories: 0, totalSize: 1 }
    ])
    assert.deepStrictEqual(scan.extensionStats, [
      { extension: ".ts", count: 2, totalSize: 30 },
      { extension: "", count: 1, totalSize: 1 }
    ])
    assert.deepStrictEqual(scan.directories, [
      { relativePath: "src", depth: 1, files: 1, totalSize: 20 },
      { relativePath: "src/deep", depth: 2, files: 1, totalSize: 1 }
    ])
  })

  it("of nothing is nothing, and not an error", () => {
    const { largestFiles, summary } = found([])
    assert.deepStrictEqual(
      [summary.averageFileSize, summary.maxDepth, summary.earliestModifiedAt, summary.latestModifiedAt],
      [0, 0, null, null]
    )
    assert.deepStrictEqual(largestFiles, [])
  })

  it("keeps the 40 largest files and 50 issues, and fits a step's result whatever it found", () => {
    const files = Array.from({ length: 20_000 }, (_, index) =>
      file(`${`folder-${index % 500}/`.repeat(20)}${index}.${"e".repeat(30)}${index}`, index)
    )
    const directories = Array.from({ length: 500 }, (_, index) => ({
      relativePath: `${`folder-${index}/`.repeat(20)}x`
    }))
    const issues = Array.from({ length: 60 }, () => ({ relativePath: "p".repeat(4_000), message: "EACCES" }))
    const scan = scanResultsOf("/root", 20_000, { files, directories, issues, truncated: false })
    assert.deepStrictEqual([scan.largestFiles.length, scan.issues.length], [40, 50])
    assert.deepStrictEqual(
      scan.largestFiles.slice(0, 2).map(({ size }) => size),
      [19_999, 19_998]
    )
    assert.isTrue(scan.issues[0]?.relativePath.startsWith("…p"))
    assert.isBelow(Buffer.byteLength(JSON.stringify(scan)), 256 * 1024)
  })

  it("is shown with names that stand for themselves, the same bytes each time", () => {
    const scan = found([file("<script>.x&y", 1)])
    assert.include(reportHtml("A & B", scan), "<td>&lt;script&gt;.x&amp;y</td>")
    assert.strictEqual(reportHtml("A & B", scan), reportHtml("A & B", scan))
  })

  it("F91: of the made-up folder finds the same files each time, of every size up to some hundred kilobytes", () => {
    assert.deepStrictEqual(madeFiles(), madeFiles())
    assert.strictEqual(new Set(madeFiles().map(({ relativePath }) => relativePath)).size, 35)
    const sizes = madeFiles().map(({ bytes }) => bytes)
    assert.isTrue(Math.min(...sizes) < 1_024 && Math.max(...sizes) > 100_000)
  })
})

describe("a walk", () => {
  it.live("goes on where something cannot be read, and names it; an interrupted one ends", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        for (const name of ["a", "b", "c"]) writeFileSync(join(folder, name), name)
        const { signal } = new AbortController()
        const lost = () => rmSync(join(folder, "b"))
        const found = yield* Effect.promise(() => walk(folder, 1_000, { signal, heartbeat: lost }))
        assert.deepStrictEqual(
          found.files.map(({ relativePath }) => relativePath),
          ["a", "c"]
        )
        assert.deepStrictEqual(found.issues, [{ relativePath: "b", message: "ENOENT" }])
        const ended = walk(folder, 1_000, { signal: AbortSignal.abort(), heartbeat: () => {} })
        yield* Effect.flip(Effect.tryPromise(() => ended))
      })
    )
  )
})

describe("an archive", () => {
  const entries = [
    { name: "a.txt", bytes: Buffer.from("alpha") },
    { name: "empty", bytes: Buffer.alloc(0) },
    { name: "block", bytes: Buffer.alloc(512, "b") }
  ]

  it.live("is unpacked by tar to the bytes that went in", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const path = join(yield* temporaryFolder, "a.tar")
        writeFileSync(path, tar(entries))
        assert.strictEqual(execFileSync("tar", ["-tf", path], { encoding: "utf8" }), "a.txt\nempty\nblock\n")
        for (const { bytes, name } of entries) {
          assert.deepStrictEqual(execFileSync("tar", ["-xOf", path, name]), bytes)
        }
      })
    )
  )

  it("of the same files is the same bytes, and has no name that is too long", () => {
    assert.deepStrictEqual(tar(entries), tar(entries))
    assert.throws(() => tar([{ name: "ä".repeat(51), bytes: Buffer.alloc(0) }]), "a name has at most 100 bytes")
  })
})

describe("the directory app", () => {
  it("is valid", () => {
    assert(Result.isSuccess(checkApp(app)))
  })
})
