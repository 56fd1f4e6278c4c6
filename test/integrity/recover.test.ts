import { existsSync, readFileSync, rmSync, truncateSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Integrity } from "../../src/actors/Integrity.ts"
import { keyOf, makeChain, makes, readInput, stepFor } from "../support/chainApp.ts"
import { eventsOf, gate, play, recoveries, succeeded, until } from "../support/engine.ts"
import { atOnce, briefly, checked, settled } from "./support.ts"

const chainRan = Effect.gen(function* () {
  for (const workflow of ["acquisition", "ingest", "publish"]) yield* succeeded(workflow, "p1")
})
const bases = { bases: { steps: [stepFor("make-base", { produces: ["base"] })] } }

describe("a repair of what a check found", () => {
  it.live("F75 F76 F92: of a chain names what it queues, heals all with each producer once, and confirms it", () => {
    const chain = makeChain()
    return play({ ...chain, settings: atOnce }, (folder) =>
      Effect.gen(function* () {
        yield* chainRan
        for (const asset of ["cleaned", "table", "figure"]) rmSync(join(folder, "lake", asset, "p1.txt"))
        chain.calls.length = 0
        const service = yield* Integrity
        const answer = yield* service.recover()
        assert.deepStrictEqual(answer.recheckNames, ["figure[p1]", "table[p1]"])
        assert.deepStrictEqual(answer.reprocessNames, ["cleaned[p1]"])
        assert.isFalse(answer.inProgress)
        assert.strictEqual(answer.findings.length, 3)
        yield* settled
        assert.deepStrictEqual(chain.calls, ["clean[p1]", "load[p1]", "plot[p1]"])
        const { findings, integrity } = yield* service.findings
        assert.deepStrictEqual(findings, [])
        assert.strictEqual(integrity.last?.reason, "repair", "the check that follows confirms it")
        const again = yield* service.recover()
        assert.deepStrictEqual(again, {
          ...{ recheckNames: [], reprocessNames: [], inProgress: false, findings: [], position: null }
        })
      })
    )
  })

  it.live("F74: calls at once are one repair; a call while it works queues nothing and says so", () => {
    const door = gate()
    let calls = 0
    const slow = makes("base", async () => {
      if (++calls > 1) await door.pass()
      return "good bytes"
    })
    return play({ jobs: [slow], workflows: bases, settings: atOnce }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const service = yield* Integrity
        const answers = yield* Effect.all([service.recover(), service.recover(), service.recover()], {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(
          answers.map(({ recheckNames }) => recheckNames.join()).sort(),
          ["", "", "base"],
          "one of them has queued it"
        )
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "producer")
        const late = yield* service.recover()
        assert.deepInclude(late, { recheckNames: [], reprocessNames: [], inProgress: true })
        door.open()
        yield* settled
        assert.strictEqual((yield* recoveries).length, 1)
        assert.strictEqual((yield* eventsOf("integrity", "IntegrityRepairRequested")).length, 1)
        assert.strictEqual(calls, 2)
      })
    )
  })

  it.live("F75: the same command again has the answer that it had, and queues nothing", () => {
    const scenario = { jobs: [makes("base")], workflows: bases, settings: atOnce }
    return play(scenario, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const service = yield* Integrity
        const caller = { principal: "admin", commandId: "recover-1", requestHash: "same" }
        const first = yield* service.recover(caller)
        yield* settled
        rmSync(join(folder, "lake", "base.txt"))
        const second = yield* service.recover(caller)
        assert.deepStrictEqual(second.recheckNames, first.recheckNames)
        assert.strictEqual(second.position, first.position)
        assert.strictEqual((yield* recoveries).length, 1)
        const reused = yield* Effect.flip(service.recover({ ...caller, requestHash: "other" }))
        assert.strictEqual(reused._tag, "CommandReused")
      })
    )
  })

  it.live("F75: a truncated file is moved aside and made again", () =>
    play({ jobs: [makes("base", () => "good bytes")], workflows: bases, settings: atOnce }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        const file = join(folder, "lake", "base.txt")
        truncateSync(file, 4)
        const service = yield* Integrity
        assert.deepStrictEqual((yield* service.recover()).recheckNames, ["base"])
        yield* settled
        assert.strictEqual(readFileSync(file, "utf8"), "good bytes")
        assert.strictEqual(
          readFileSync(join(folder, "lake", ".quarantine", "integrity-1", "base.txt"), "utf8"),
          "good",
          "what was found is kept"
        )
        assert.deepStrictEqual((yield* service.findings).findings, [])
      })
    )
  )

  it.live("F75: a stale asset is made again from what there is now, one that was never made for the first time", () => {
    let version = 0
    const copy = makes("copy", async (ctx) => `copy of ${await readInput(ctx, "origin")}`)
    const workflows = {
      origins: { steps: [stepFor("make-origin", { produces: ["origin"] })] },
      copies: { steps: [stepFor("make-copy", { consumes: ["origin"], produces: ["copy"] })] },
      firsts: { steps: [stepFor("make-first", { produces: ["first"] })] }
    }
    const jobs = [makes("origin", () => `version ${++version}`), copy, makes("first")]
    return play({ jobs, workflows, settings: atOnce }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("origins")
        yield* succeeded("copies")
        yield* succeeded("origins")
        const service = yield* Integrity
        const answer = yield* service.recover()
        assert.deepStrictEqual([answer.recheckNames, answer.reprocessNames], [["first"], ["copy"]])
        yield* settled
        assert.strictEqual(readFileSync(join(folder, "lake", keyOf("copy")), "utf8"), "copy of version 2")
        assert.isTrue(existsSync(join(folder, "lake", keyOf("first"))))
        assert.deepStrictEqual(briefly((yield* service.findings).findings), [])
      })
    )
  })

  it.live("F76: a finding that comes back after each repair counts, and is escalated", () => {
    let folderOf = ""
    const vanishing = makes("base", () => "good bytes")
    return play({ jobs: [vanishing], workflows: bases, settings: atOnce }, (folder) =>
      Effect.gen(function* () {
        folderOf = folder
        yield* succeeded("bases")
        const service = yield* Integrity
        for (let count = 1; count <= 3; count++) {
          rmSync(join(folderOf, "lake", "base.txt"))
          assert.strictEqual((yield* service.recover()).findings[0]!.count, count)
          yield* settled
          assert.deepStrictEqual((yield* service.findings).findings, [])
        }
        assert.strictEqual((yield* eventsOf("integrity", "IntegrityEscalated")).length, 1)
        assert.strictEqual((yield* checked()).integrity.state, "fresh")
      })
    )
  })
})
