import { readFileSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { AssetCommands } from "../../src/actors/AssetCommands.ts"
import { Engine } from "../../src/actors/Engine.ts"
import { Integrity } from "../../src/actors/Integrity.ts"
import { defineJob } from "../../src/index.ts"
import { keyOf, makeChain, makes, readInput, stepFor } from "../support/chainApp.ts"
import { eventsOf, gate, play, recoveries, start, succeeded, typesOf, until } from "../support/engine.ts"
import { rot } from "../recovery/rot.ts"
import { atOnce, briefly, checked, settled } from "./support.ts"

const chainRan = Effect.gen(function* () {
  for (const workflow of ["acquisition", "ingest", "publish"]) yield* succeeded(workflow, "p1")
})
const base = {
  jobs: [makes("base", () => "good bytes")],
  workflows: { bases: { steps: [stepFor("make-base", { produces: ["base"] })] } }
}

describe("a check of assets", () => {
  it.live("F69: finds nothing where everything is there, and says that it has looked", () =>
    play({ ...makeChain(), settings: atOnce }, () =>
      Effect.gen(function* () {
        yield* chainRan
        const service = yield* Integrity
        assert.strictEqual((yield* service.findings).integrity.state, "cold")
        const { findings, integrity } = yield* checked()
        assert.deepStrictEqual(findings, [])
        assert.deepInclude(integrity, { state: "fresh", generation: 1, inProgress: false })
        assert.deepInclude(integrity.last, { looked: 8, failedCount: 0, unreadable: [] })
        assert.deepStrictEqual(yield* typesOf("integrity"), [
          ...["IntegrityCheckRequested", "IntegrityCheckStarted", "IntegrityProgressed", "IntegrityProgressed"],
          "IntegrityCheckEnded"
        ])
      })
    )
  )

  it.live(
    "F69 F17 F18 T28: of a chain with all but its source gone, blocks what waits and targets the root cause",
    () =>
      play({ ...makeChain(), settings: atOnce }, (folder) =>
        Effect.gen(function* () {
          yield* chainRan
          for (const asset of ["cleaned", "table", "figure"]) rmSync(join(folder, "lake", asset, "p1.txt"))
          assert.deepStrictEqual(briefly((yield* checked()).findings), [
            ["cleaned[p1]", "missing", "reprocess", "cleaned[p1]"],
            ["figure[p1]", "blocked", "recheck", "cleaned[p1]"],
            ["table[p1]", "blocked", "recheck", "cleaned[p1]"]
          ])
          assert.deepStrictEqual(yield* recoveries, [], "it only says so")
        })
      )
  )

  it.live("F69: tells of a truncated file by its size, and of rotten bytes only when it looks deeply", () =>
    play({ ...base, settings: atOnce }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        const file = join(folder, "lake", "base.txt")
        rot(file, "bad bytes!")
        assert.deepStrictEqual((yield* checked()).findings, [], "size and etag are those that were written")
        assert.deepStrictEqual(briefly((yield* checked({ deep: true })).findings), [
          ["base", "malformed", "recheck", "base"]
        ])
        truncateSync(file, 4)
        const { findings } = yield* checked()
        assert.deepStrictEqual(briefly(findings), [["base", "malformed", "recheck", "base"]])
        assert.strictEqual(
          findings[0]!.reason.replace(/^.*?(?=lake)/, ""),
          "lake/base.txt has 4 bytes, 10 were written; generation 1 can be made again; its step has no inputs and acquires it again"
        )
      })
    )
  )

  it.live("F71: what somebody else put there is told once and never replaced", () =>
    play({ ...base, settings: atOnce }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        const file = join(folder, "lake", "base.txt")
        writeFileSync(file, "edited by hand, and longer")
        const { findings } = yield* checked()
        assert.deepStrictEqual(briefly(findings), [["base", "malformed", "recheck", ""]])
        assert.include(findings[0]!.reason, "somebody changed it")
        const service = yield* Integrity
        const answer = yield* service.recover()
        assert.deepInclude(answer, { recheckNames: [], reprocessNames: [], inProgress: false })
        assert.strictEqual(answer.findings.length, 1)
        assert.strictEqual(readFileSync(file, "utf8"), "edited by hand, and longer")
        assert.deepStrictEqual(yield* recoveries, [])
      })
    )
  )

  it.live("F70 T29: a file that was touched, with a time in the future, is in order", () =>
    play({ ...base, settings: atOnce }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        const future = 4_102_444_800
        utimesSync(join(folder, "lake", "base.txt"), future, future)
        assert.deepStrictEqual((yield* checked()).findings, [])
      })
    )
  )

  it.live("F69: an asset that is declared and was never made is found, its partitions one by one", () => {
    const partitioning = { type: "static", keys: ["a", "b", "c"] }
    const workflows = {
      letters: { steps: [{ ...stepFor("make-letter"), produces: [{ assetId: "letter", partitioning }] }] },
      words: { steps: [stepFor("make-word", { consumes: ["letter"], produces: ["word"] })] }
    }
    return play({ jobs: [makes("letter"), makes("word")], workflows, settings: atOnce }, () =>
      Effect.gen(function* () {
        yield* succeeded("letters", "b")
        assert.deepStrictEqual(
          briefly((yield* checked()).findings).filter(([name]) => name !== "word"),
          [
            ["letter[a]", "never_produced", "recheck", "letter[a]"],
            ["letter[c]", "never_produced", "recheck", "letter[c]"]
          ]
        )
      })
    )
  })

  const derived = () => {
    let version = 0
    const copy = makes("copy", async (ctx) => `copy of ${await readInput(ctx, "origin")}`)
    return {
      jobs: [makes("origin", () => `version ${++version}`), copy],
      workflows: {
        origins: { steps: [stepFor("make-origin", { produces: ["origin"] })] },
        copies: { steps: [stepFor("make-copy", { consumes: ["origin"], produces: ["copy"] })] }
      }
    }
  }

  it.live("F69 F70: what is marked stale, or made from what there is something newer of, is stale", () =>
    play({ ...derived(), settings: atOnce }, () =>
      Effect.gen(function* () {
        yield* succeeded("origins")
        yield* succeeded("copies")
        yield* succeeded("origins")
        const { findings } = yield* checked()
        assert.deepStrictEqual(briefly(findings), [["copy", "stale", "reprocess", "copy"]])
        assert.include(findings[0]!.reason, "made from generation 1 of origin, of which there is generation 2")
        const commands = yield* AssetCommands
        const origin = { assetId: "origin", partitionKey: "" }
        yield* commands.markStale("origins", origin, "wrong unit", { principal: "admin" })
        assert.deepStrictEqual(
          (yield* checked()).findings.map(({ assetId }) => assetId),
          ["copy", "origin"]
        )
      })
    )
  )

  it.live("F70: what changed within the tolerance is still under way, and nothing to judge", () =>
    play({ ...derived(), settings: { integrity: { ...atOnce.integrity, toleranceMs: 60_000 } } }, () =>
      Effect.gen(function* () {
        yield* succeeded("origins")
        yield* succeeded("copies")
        yield* succeeded("origins")
        assert.deepStrictEqual((yield* checked()).findings, [])
      })
    )
  )

  it.live("F74: while a run makes an asset nothing is said of it, and it is told to be in progress", () => {
    const door = gate()
    let calls = 0
    const slow = makes("base", async () => {
      if (++calls > 1) await door.pass()
      return "good bytes"
    })
    return play({ ...base, jobs: [slow], settings: atOnce }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const run = yield* start("bases")
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "second run")
        const { findings, integrity } = yield* checked()
        assert.deepStrictEqual(findings, [])
        assert.isTrue(integrity.inProgress)
        const service = yield* Integrity
        assert.deepInclude(yield* service.recover(), { recheckNames: [], reprocessNames: [], inProgress: true })
        door.open()
        const engine = yield* Engine
        yield* engine.awaitRun(run.id)
        assert.deepInclude((yield* checked()).integrity, { inProgress: false, findings: 0 })
      })
    )
  })

  it.live("is total: a store that is away is reported, what is known of it stays, and the rest is looked at", () => {
    const inbox = defineJob({
      slug: "make-note",
      run: async (ctx) => ({
        result: { assets: [{ assetId: "note", locations: [await ctx.files.writeText("inbox", "note.txt", "a note")] }] }
      })
    })
    const workflows = { ...base.workflows, notes: { steps: [stepFor("make-note", { produces: ["note"] })] } }
    return play({ jobs: [...base.jobs, inbox], workflows, settings: atOnce }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        yield* succeeded("notes")
        const lake = join(folder, "lake")
        rmSync(join(lake, "base.txt"))
        assert.deepStrictEqual(briefly((yield* checked()).findings), [["base", "missing", "recheck", "base"]])
        renameSync(lake, `${lake}.away`)
        rmSync(join(folder, "inbox", "note.txt"))
        const { findings, integrity } = yield* checked()
        assert.deepStrictEqual(
          findings.map(({ assetId, count }) => [assetId, count]),
          [
            ["base", 1],
            ["note", 1]
          ],
          "what cannot be looked at is neither cleared nor counted again"
        )
        assert.deepStrictEqual(
          integrity.last?.unreadable.map(({ assets, store }) => [store, assets]),
          [["lake", 1]]
        )
        renameSync(`${lake}.away`, lake)
        yield* settled
      })
    )
  })

  it.live("F20: a missing subtractive input blocks a merge, an optional one does not", () => {
    const merge = makes("merged", () => "merged")
    const consumes = [{ assetId: "base" }, { assetId: "minus" }, { assetId: "extra", optional: true }]
    const workflows = {
      bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
      minuses: { steps: [stepFor("make-minus", { produces: ["minus"] })] },
      extras: { steps: [stepFor("make-extra", { produces: ["extra"] })] },
      merges: { steps: [{ ...stepFor("make-merged", { produces: ["merged"] }), consumes }] }
    }
    const jobs = [makes("base"), makes("minus"), makes("extra"), merge]
    return play({ jobs, workflows, settings: atOnce }, (folder) =>
      Effect.gen(function* () {
        for (const workflow of ["bases", "minuses", "extras", "merges"]) yield* succeeded(workflow)
        for (const asset of ["merged", "extra"]) rmSync(join(folder, "lake", keyOf(asset)))
        assert.deepStrictEqual(briefly((yield* checked()).findings), [
          ["extra", "missing", "recheck", "extra"],
          ["merged", "missing", "reprocess", "merged"]
        ])
        rmSync(join(folder, "lake", keyOf("minus")))
        assert.deepStrictEqual(briefly((yield* checked()).findings), [
          ["extra", "missing", "recheck", "extra"],
          ["merged", "blocked", "recheck", "minus"],
          ["minus", "missing", "recheck", "minus"]
        ])
      })
    )
  })

  it.live("F71 F76: what has no way back is one finding with its reason, and is escalated once", () => {
    const workflows = {
      bases: { steps: [{ ...stepFor("make-base"), produces: [{ assetId: "base", recovery: { enabled: false } }] }] }
    }
    return play({ ...base, workflows, settings: atOnce }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        const bytes = readFileSync(join(folder, "lake", "base.txt"))
        rmSync(join(folder, "lake", "base.txt"))
        for (let count = 1; count <= 4; count++) {
          const { findings } = yield* checked()
          assert.deepStrictEqual(briefly(findings), [["base", "missing", "recheck", ""]])
          assert.deepInclude(findings[0]!, { count, escalated: true, reasonCode: "disabled" })
        }
        const escalated = yield* eventsOf("integrity", "IntegrityEscalated")
        assert.deepStrictEqual(
          escalated.map(({ assetId, count }) => [assetId, count]),
          [["base", 1]]
        )
        const items = (type: string) => eventsOf("attention", type)
        const [item, ...others] = yield* until(items("AttentionRaised"), ({ length }) => length > 0, "an item")
        assert.deepStrictEqual(others, [])
        assert.deepInclude(item, { id: "finding:base", kind: "finding", assetId: "base", reasonCode: "disabled" })
        assert.match(String(item!.message), /^base is missing: .*base\.txt/)
        writeFileSync(join(folder, "lake", "base.txt"), bytes)
        assert.deepStrictEqual((yield* checked()).findings, [])
        yield* until(items("AttentionSettled"), ({ length }) => length === 1, "the end of the item")
      })
    )
  })
})
