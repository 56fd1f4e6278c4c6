import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { AssetInventory, type InventoryMark } from "../../src/actors/AssetInventory.ts"
import { Integrity } from "../../src/actors/Integrity.ts"
import { keyOf, makeChain, makes, readInput, stepFor } from "../support/chainApp.ts"
import { recoveries, succeeded } from "../support/engine.ts"
import { playPg, realStores } from "../support/pgEngine.ts"
import { TestServer } from "../support/postgres.ts"
import { atOnce, briefly, checked, settled } from "./support.ts"

layer(TestServer.layer, { excludeTestServices: true })("integrity on real Postgres", (it) => {
  for (const [kind, open] of Object.entries(realStores)) {
    it.effect(
      `F69 F75 F76 F92: with ${kind} a chain with all but its source gone is found, repaired and confirmed`,
      () =>
        Effect.gen(function* () {
          const { lose, replace, stores } = yield* open
          const chain = makeChain()
          yield* playPg({ ...chain, settings: { ...atOnce, stores } }, (folder) =>
            Effect.gen(function* () {
              for (const workflow of ["acquisition", "ingest", "publish"]) yield* succeeded(workflow, "p1")
              for (const asset of ["cleaned", "table", "figure"]) yield* lose(folder, "lake", `${asset}/p1.txt`)
              assert.deepStrictEqual(briefly((yield* checked()).findings), [
                ["cleaned[p1]", "missing", "reprocess", "cleaned[p1]"],
                ["figure[p1]", "blocked", "recheck", "cleaned[p1]"],
                ["table[p1]", "blocked", "recheck", "cleaned[p1]"]
              ])
              chain.calls.length = 0
              const service = yield* Integrity
              const { recheckNames, reprocessNames } = yield* service.recover()
              assert.deepStrictEqual([recheckNames, reprocessNames], [["figure[p1]", "table[p1]"], ["cleaned[p1]"]])
              yield* settled
              assert.deepStrictEqual(chain.calls, ["clean[p1]", "load[p1]", "plot[p1]"])
              assert.deepStrictEqual((yield* service.findings).findings, [])
              assert.strictEqual((yield* recoveries).length, 3)

              yield* replace(folder, "lake", "figure/p1.txt", "fig")
              yield* replace(
                folder,
                "lake",
                "table/p1.txt",
                "somebody's own table, which is a good deal longer than ours"
              )
              // The table is there: what is made from it has its input.
              assert.deepStrictEqual(briefly((yield* checked()).findings), [
                ["figure[p1]", "malformed", "reprocess", "figure[p1]"],
                ["table[p1]", "malformed", "reprocess", ""]
              ])
            })
          )
        }).pipe(Effect.scoped)
    )
  }

  it.effect("with S3 gone in the middle says so, keeps what it knew, and goes on", () =>
    Effect.gen(function* () {
      const { lose, outage, stores } = yield* realStores.S3!
      yield* playPg({ ...makeChain(), settings: { ...atOnce, stores }, ends: false }, (folder) =>
        Effect.gen(function* () {
          for (const workflow of ["acquisition", "ingest", "publish"]) yield* succeeded(workflow, "p1")
          yield* lose(folder, "lake", "figure/p1.txt")
          assert.strictEqual((yield* checked()).findings.length, 1)
          yield* outage(folder)
          const { findings, integrity } = yield* checked()
          assert.deepStrictEqual(
            findings.map(({ assetId, count }) => [assetId, count]),
            [["figure", 1]]
          )
          const unread = integrity.last!.unreadable.map(({ assets, store }) => [store, assets])
          assert.deepStrictEqual(unread.sort(), [
            ["inbox", 1],
            ["lake", 3]
          ])
        })
      )
    }).pipe(Effect.scoped)
  )

  it.effect("F70: the read model knows what is outdated, what is recorded, and pages in order", () =>
    Effect.gen(function* () {
      const copy = makes("copy", async (ctx) => `copy of ${await readInput(ctx, "origin")}`)
      let version = 0
      const workflows = {
        origins: { steps: [stepFor("make-origin", { produces: ["origin"] })] },
        copies: { steps: [stepFor("make-copy", { consumes: ["origin"], produces: ["copy"] })] }
      }
      const jobs = [makes("origin", () => `version ${++version}`), copy]
      yield* playPg({ jobs, workflows, settings: atOnce }, () =>
        Effect.gen(function* () {
          for (const key of ["a", "b", "c"]) {
            yield* succeeded("origins", key)
            yield* succeeded("copies", key)
          }
          yield* succeeded("origins", "b")
          const inventory = yield* AssetInventory
          yield* inventory.ready
          const names: Array<string> = []
          let after: InventoryMark | null = null
          do {
            const page: Effect.Success<ReturnType<typeof inventory.page>> = yield* inventory.page({
              ...{ after, limit: 2, scope: {} }
            })
            names.push(...page.rows.map(({ assetId, partitionKey }) => `${assetId}[${partitionKey}]`))
            after = page.next
          } while (after !== null)
          assert.deepStrictEqual(names, ["copy[a]", "copy[b]", "copy[c]", "origin[a]", "origin[b]", "origin[c]"])
          const scoped = yield* inventory.page({
            after: null,
            limit: 10,
            scope: { assetIds: ["COPY"], partitionKey: "B" }
          })
          assert.deepInclude(scoped.rows[0]?.outdatedBy[0], {
            assetId: "origin",
            partitionKey: "b",
            used: 1,
            generation: 2
          })
          assert.strictEqual(scoped.rows[0]?.parts[0]?.key, keyOf("copy", "b"))
          assert.deepStrictEqual([...(yield* inventory.recorded("copy", ["a", "x"]))], ["a"])
          assert.deepStrictEqual(briefly((yield* checked()).findings), [["copy[b]", "stale", "reprocess", "copy[b]"]])
        })
      )
    })
  )
})
