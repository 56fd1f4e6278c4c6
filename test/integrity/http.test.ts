import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import type { Integrity } from "../../src/actors/Integrity.ts"
import { Stores } from "../../src/capabilities/Stores.ts"
import type { Engine } from "../../src/actors/Engine.ts"
import type { EventStore } from "../../src/eventstore/EventStore.ts"
import * as Server from "../../src/http/Server.ts"
import { kintsugi } from "../cli/kintsugi.ts"
import * as Fakes from "../http/Fakes.ts"
import { send, server, token } from "../http/Harness.ts"
import { makeChain } from "../support/chainApp.ts"
import { define, eventsOf, history, layerMemory, succeeded, temporaryFolder, until } from "../support/engine.ts"
import { atOnce } from "./support.ts"

const root = "/api/v1/integrity"

/** A server with a real engine whose chain has run once, with partition `p1`. */
const served = <A, E>(
  body: (folder: string) => Effect.Effect<A, E, Server.Listening | Engine | EventStore | Integrity | Stores>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const state = Fakes.makeState()
      const chain = makeChain()
      const engine = Layer.effectDiscard(define(chain.workflows)).pipe(
        Layer.provideMerge(layerMemory({ jobs: chain.jobs, baseDir: folder, ...atOnce })),
        Layer.orDie
      )
      const running = yield* Layer.build(engine)
      const behind = Layer.mergeAll(Fakes.reads(state), Fakes.inventory, Layer.succeedContext(running))
      const context = Context.merge(running, yield* Layer.build(server(state, behind)))
      const played = Effect.gen(function* () {
        for (const workflow of ["acquisition", "ingest", "publish"]) yield* succeeded(workflow, "p1")
        return yield* body(folder)
      })
      return yield* Effect.provideContext(played, context)
    })
  )

const found = send("GET", `${root}/findings`)
const idle = until(
  found,
  ({ json }) => json.running === null && json.state !== "refresh_queued" && json.inProgress === false,
  "end of checks and repairs"
)

describe("integrity over HTTP", () => {
  it.live("F75: a check, its findings page by page, their repair and its confirmation", () =>
    served((folder) =>
      Effect.gen(function* () {
        assert.deepInclude((yield* found).json, { data: [], nextCursor: null, state: "cold", generation: 0 })
        for (const asset of ["cleaned", "table", "figure"]) rmSync(join(folder, "lake", asset, "p1.txt"))
        const asked = yield* send("POST", `${root}/checks`, { body: JSON.stringify({ deep: true }) })
        assert.strictEqual(asked.status, 202, asked.text)
        assert.isString(asked.json.position)
        yield* until(found, ({ json }) => json.generation === 1, "end of the check")
        const names: Array<string> = []
        let cursor: unknown
        do {
          const page = yield* send(
            "GET",
            `${root}/findings?limit=1${cursor === undefined ? "" : `&cursor=${String(cursor)}`}`
          )
          const data = page.json.data as ReadonlyArray<{ readonly assetId: string; readonly kind: string }>
          for (const { assetId, kind } of data) names.push(`${assetId} ${kind}`)
          cursor = page.json.nextCursor
        } while (cursor !== null)
        assert.deepStrictEqual(names, ["cleaned missing", "figure blocked", "table blocked"])
        const blocked = yield* send("GET", `${root}/findings?kind=blocked&assetId=TABLE`)
        assert.deepInclude((blocked.json.data as ReadonlyArray<object>)[0], {
          ...{ assetId: "table", partitionKey: "p1", kind: "blocked", action: "recheck", count: 1 },
          targets: ["cleaned[p1]"]
        })
        const repair = yield* send("POST", `${root}/recover`)
        assert.strictEqual(repair.status, 202, repair.text)
        assert.deepInclude(repair.json.data, {
          ...{ recheckNames: ["figure[p1]", "table[p1]"], reprocessNames: ["cleaned[p1]"], inProgress: false }
        })
        const late = yield* send("POST", `${root}/recover`)
        assert.strictEqual(late.status, 202, late.text)
        assert.deepInclude(late.json.data, { recheckNames: [], reprocessNames: [], inProgress: true })
        yield* idle
        const clean = yield* send("POST", `${root}/recover`)
        assert.strictEqual(clean.status, 200, clean.text)
        assert.deepStrictEqual(clean.json, {
          data: { recheckNames: [], reprocessNames: [], inProgress: false, findings: [] }
        })
        assert.strictEqual((yield* eventsOf("integrity", "IntegrityRepairRequested")).length, 1)
        const first = (yield* history).find(({ type }) => type === "IntegrityRepairAwaited")
        assert.strictEqual(first?.metadata.principal, "admin")
      })
    )
  )

  it.live("F73 T30: reading findings looks into no store, asks for no check and writes nothing", () =>
    served((folder) =>
      Effect.gen(function* () {
        rmSync(join(folder, "lake", "figure", "p1.txt"))
        const stores = yield* Stores
        const lake = yield* stores.get("lake")
        let calls = 0
        const { list, probe, readBytes, stat } = lake
        const counted = <A, E>(call: Effect.Effect<A, E>) =>
          Effect.suspend(() => {
            calls++
            return call
          })
        Object.assign(lake, {
          stat: (key: string) => counted(stat(key)),
          probe: counted(probe),
          readBytes: (key: string) => counted(readBytes(key)),
          list: (prefix: string, limit: number) => counted(list(prefix, limit))
        })
        const before = (yield* history).length
        for (let count = 0; count < 20; count++) {
          assert.deepInclude((yield* found).json, { data: [], state: "cold" })
        }
        assert.strictEqual(calls, 0)
        assert.strictEqual((yield* history).length, before)
        yield* send("POST", `${root}/checks`)
        yield* until(found, ({ json }) => json.generation === 1, "end of the check")
        assert.isAbove(calls, 0, "the counter counts")
      })
    )
  )

  it.live("refuses what it does not know, naming it", () =>
    served(() =>
      Effect.gen(function* () {
        const faults: ReadonlyArray<readonly [string, string, unknown, string]> = [
          ["POST", "/checks", { scope: { store: "attic" } }, "no store is named"],
          ["POST", "/checks", { scope: { assetIds: [] } }, "at least one asset"],
          ["POST", "/checks", { scope: { assetIds: ["TABLE", "nope.asset"] } }, "scope.assetIds[1]"],
          ["POST", "/checks", { scope: { assetIds: ["nope.asset"] } }, 'no asset is named \\"nope.asset\\"'],
          ["POST", "/checks", { scope: { asset: "raw" } }, "scope.asset"],
          ["POST", "/checks", { deap: true }, "deap"],
          ["POST", "/recover", { names: [] }, "names"],
          ["GET", "/findings?kind=lost", undefined, "kind"],
          ["GET", "/findings?cursor=nonsense", undefined, "cursor"]
        ]
        for (const [method, path, body, fault] of faults) {
          const refused = yield* send(
            method,
            `${root}${path}`,
            body === undefined ? {} : { body: JSON.stringify(body) }
          )
          assert.strictEqual(refused.status, 400, `${path}: ${refused.text}`)
          assert.include(refused.text, fault)
        }
      })
    )
  )

  it.live("kintsugi integrity checks, shows and repairs, and its exit code says whether all is well", () =>
    served((folder) =>
      Effect.gen(function* () {
        const { url } = yield* Server.Listening
        const env = { KINTSUGI_URL: url, KINTSUGI_ADMIN_TOKEN: token }
        const run = (...args: ReadonlyArray<string>) =>
          Effect.promise(() => kintsugi(["integrity", ...args], { cwd: folder, env }))
        const fine = yield* run("check", "--wait")
        assert.strictEqual(fine.code, 0, fine.stderr)
        assert.include(fine.stdout, "0 findings (fresh): 8 looked at")
        rmSync(join(folder, "lake", "figure", "p1.txt"))
        const unknown = yield* run("check", "--wait", "--asset", "no.such.thing")
        assert.notStrictEqual(unknown.code, 0, "what nobody knows is not well")
        assert.include(unknown.stderr, 'no asset is named "no.such.thing"')
        const bad = yield* run("check", "--wait", "--asset", "figure")
        assert.strictEqual(bad.code, 1)
        assert.match(bad.stdout, /figure\[p1\]\s+missing\s+reprocess\s+lake\/figure\/p1.txt is gone/)
        assert.include(bad.stderr, "integrity: 1 finding\n")
        const shown = yield* run("findings", "--json")
        assert.strictEqual(shown.code, 0, shown.stderr)
        assert.strictEqual(JSON.parse(shown.stdout).findings.length, 1)
        const repaired = yield* run("recover", "--wait")
        assert.strictEqual(repaired.code, 0, repaired.stderr)
        assert.include(repaired.stdout, "1 queued, and the repair has ended\n0 findings")
        const clean = yield* run("recover")
        assert.include(clean.stdout, "everything is in order")
      })
    )
  )
})
