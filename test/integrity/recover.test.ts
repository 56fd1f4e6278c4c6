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

  it.live(
    "F74: of calls at once one gets the names; the others, and any while it works, queue nothing and no check",
    () => {
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
          const callers = ["one", "two", "three", "four"].map((principal) => ({ principal }))
          const answers = yield* Effect.forEach(callers, (caller) => service.recover(caller), {
            concurrency: "unbounded"
          })
          assert.deepStrictEqual(
            answers.map(({ inProgress, recheckNames }) => [recheckNames.join(), inProgress]).sort(),
            [...Array.from({ length: 3 }, () => ["", true]), ["base", false]],
            "one of them has queued it"
          )
          assert.strictEqual((yield* eventsOf("integrity", "IntegrityRepairAwaited")).length, 1)
          assert.strictEqual((yield* service.findings).findings[0]!.count, 1, "one check has found it")
          yield* until(Effect.sync(door.arrived), (count) => count === 1, "producer")
          const late = yield* service.recover()
          assert.deepInclude(late, { recheckNames: [], reprocessNames: [], inProgress: true })
          door.open()
          yield* settled
          assert.strictEqual((yield* recoveries).length, 1)
          assert.strictEqual((yield* eventsOf("integrity", "IntegrityRepairRequested")).length, 1)
          const checks = yield* eventsOf("integrity", "IntegrityCheckStarted")
          assert.deepStrictEqual(
            checks.map(({ reason }) => reason),
            ["requested", "repair"],
            "the one before the repair, and the one that confirms it"
          )
          assert.strictEqual(calls, 2)
        })
      )
    }
  )

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

  it.live(
    "F74 F75: while another check goes on, a call waits for one of its own, and its names are of that one",
    () => {
      const keys = Array.from({ length: 30 }, (_, index) => `k${10 + index}`)
      const produces = [{ assetId: "base", partitioning: { type: "static", keys } }]
      const workflows = { bases: { steps: [{ ...stepFor("make-base"), produces }] } }
      const paced = { integrity: { ...atOnce.integrity, assetsPerSecond: 15 } }
      return play({ jobs: [makes("base")], workflows, settings: paced }, (folder) =>
        Effect.gen(function* () {
          for (const key of keys) yield* succeeded("bases", key)
          const service = yield* Integrity
          const scope = { assetIds: ["base"], partitionKey: "k10" }
          yield* service.check({ scope })
          const started = eventsOf("integrity", "IntegrityCheckStarted")
          yield* until(started, (checks) => checks.length === 1, "begin of the check")
          rmSync(join(folder, "lake", keyOf("base", "k20")))
          const caller = { principal: "admin", commandId: "recover-2", requestHash: "same" }
          const twice = yield* Effect.all([service.recover(caller), service.recover(caller)], { concurrency: 2 })
          for (const answer of twice)
            assert.deepStrictEqual(answer.recheckNames, ["base[k20]"], "the same command twice")
          yield* settled
          assert.deepStrictEqual(
            (yield* started).map(({ reason }) => reason),
            ["requested", "requested", "repair"]
          )
          assert.strictEqual((yield* recoveries).length, 1)
        })
      )
    }
  )

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

  it.live("F76: that nobody has made it yet counts towards no escalation of its first loss", () =>
    play({ jobs: [makes("base")], workflows: bases, settings: atOnce }, (folder) =>
      Effect.gen(function* () {
        for (let count = 1; count <= 3; count++) {
          assert.deepInclude((yield* checked()).findings[0], { kind: "never_produced", count })
        }
        yield* succeeded("bases")
        yield* checked()
        for (let count = 1; count <= 3; count++) {
          rmSync(join(folder, "lake", "base.txt"), { force: true })
          assert.deepInclude((yield* checked()).findings[0], { kind: "missing", count, escalated: count === 3 })
        }
        assert.strictEqual((yield* eventsOf("integrity", "IntegrityEscalated")).length, 1)
      })
    )
  )

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
