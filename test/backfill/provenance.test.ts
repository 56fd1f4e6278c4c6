import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type ProvenanceItem, Provenance } from "../../src/actors/Provenance.ts"
import { AssetCheck } from "../../src/actors/AssetCheck.ts"
import { callerOf } from "../../src/http/Command.ts"
import { eventsOf, play, succeeded } from "../support/engine.ts"
import { makes, readInput, stepFor } from "../support/chainApp.ts"
import { daily, making } from "./days.ts"

const item = (partitionKey: string, ...keys: ReadonlyArray<string>): ProvenanceItem => {
  const [first = `days/${partitionKey}.txt`, ...rest] = keys
  return {
    partitionKey,
    locations: [{ store: "lake", key: first }, ...rest.map((key) => ({ store: "lake", key }))]
  }
}
/** Files that lie in the lake before anything runs. */
const lying = (folder: string, files: Readonly<Record<string, string>>) => {
  mkdirSync(join(folder, "lake", "days"), { recursive: true })
  for (const [key, text] of Object.entries(files)) writeFileSync(join(folder, "lake", key), text)
}
const record = Effect.fnUntraced(function* (items: ReadonlyArray<ProvenanceItem>, dryRun = false) {
  const provenance = yield* Provenance
  return yield* provenance.record("days", items, { dryRun })
})
const statuses = (recorded: { readonly results: ReadonlyArray<{ readonly status: string }> }) =>
  recorded.results.map(({ status }) => status)

describe("assets that were there before", () => {
  it.live("F11: are recorded once with size and hash, and a dry run records nothing", () =>
    play({ jobs: [making()], workflows: daily }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("days", "2024-01-09")
        lying(folder, { "days/2024-01-01.txt": "one", "days/2024-01-02.txt": "two" })
        const items = [item("2024-01-01"), item("2024-01-02"), item("2024-01-03")]
        const planned = yield* record(items, true)
        assert.deepStrictEqual(statuses(planned), ["recorded", "recorded", "skipped"])
        assert.isNull(planned.position)
        assert.lengthOf(yield* eventsOf("asset", "AssetProduced"), 1, "the run's own")
        const recorded = yield* record(items)
        assert.deepStrictEqual(statuses(recorded), ["recorded", "recorded", "skipped"])
        assert.include(recorded.results[2]!.reason, "2024-01-03")
        assert.deepStrictEqual(statuses(yield* record(items)), ["present", "present", "skipped"])
        const first = (yield* eventsOf("asset", "AssetProduced")).find((event) => event.partitionKey === "2024-01-01")
        const sha256 = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
        assert.deepInclude(first, {
          ...{ assetId: "days", partitionKey: "2024-01-01", generation: 1, workflow: "days", stepId: "make" },
          productionKey: `provenance/lake/days/2024-01-01.txt/${sha256}`,
          source: "provenance"
        })
        assert.lengthOf(yield* eventsOf("asset", "AssetProduced"), 3)
      })
    )
  )

  it.live("F11: leave alone what a run has made, and what belongs to another asset", () =>
    play({ jobs: [making()], workflows: daily }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("days", "2024-01-01")
        lying(folder, { "days/other.txt": "other" })
        const recorded = yield* record([
          item("2024-01-01", "days/other.txt"),
          item("2024-01-02", "days/2024-01-01.txt")
        ])
        assert.deepStrictEqual(statuses(recorded), ["skipped", "skipped"])
        assert.include(recorded.results[0]!.reason, "generation 1 is recorded with other bytes")
        assert.include(recorded.results[1]!.reason, "belongs to days[2024-01-01]")
        assert.deepStrictEqual(statuses(yield* record([item("2024-01-01")])), ["present"])
      })
    )
  )

  it.live("F11: are healed like any other when they are lost", () => {
    const jobs = [makes("base"), makes("top", (ctx) => readInput(ctx, "base"))]
    const workflows = {
      bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
      tops: { steps: [stepFor("make-top", { consumes: ["base"], produces: ["top"] })] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        mkdirSync(join(folder, "lake"), { recursive: true })
        writeFileSync(join(folder, "lake", "old.txt"), "old")
        const provenance = yield* Provenance
        const locations = [{ store: "lake", key: "old.txt" }] as const
        yield* provenance.record("base", [{ locations }], { dryRun: false })
        rmSync(join(folder, "lake", "old.txt"))
        yield* succeeded("tops")
        const made = (yield* eventsOf("asset", "AssetProduced")).filter(({ assetId }) => assetId === "base")
        assert.deepStrictEqual(
          made.map(({ restored }) => restored),
          [false, true]
        )
      })
    )
  })

  it.live("F11: start no dependant: nothing about them is new", () => {
    const jobs = [makes("base"), makes("top", (ctx) => readInput(ctx, "base")), making()]
    const workflows = {
      ...daily,
      bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
      tops: {
        steps: [
          {
            ...stepFor("make-top", { consumes: ["base"] }),
            produces: [{ assetId: "top", autoMaterialize: { onUpstreamUpdate: true } }]
          }
        ]
      }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        mkdirSync(join(folder, "lake"), { recursive: true })
        writeFileSync(join(folder, "lake", "old.txt"), "old")
        const provenance = yield* Provenance
        const locations = [{ store: "lake", key: "old.txt" }] as const
        yield* provenance.record("base", [{ locations }], { dryRun: false })
        yield* succeeded("days", "2024-01-01")
        yield* Effect.sleep("300 millis")
        assert.deepStrictEqual(yield* eventsOf("materialization", "MaterializationRequested"), [])
        const check = yield* AssetCheck
        const { status } = yield* check.check({ assetId: "base", partitionKey: "" }, { reportedBy: "test" })
        assert.strictEqual(status, "present")
      })
    )
  })

  it.live("T20: are refused under an Idempotency-Key that has recorded something else", () =>
    play({ jobs: [making()], workflows: daily }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("days", "2024-01-09")
        lying(folder, { "days/2024-01-01.txt": "one", "days/2024-01-02.txt": "two" })
        const provenance = yield* Provenance
        const keyed = (items: ReadonlyArray<ProvenanceItem>) => {
          const route = "POST /assets/{assetId}/provenance"
          const headers = { "idempotency-key": "k1" }
          const caller = callerOf({ principal: "p", route, ids: ["days"], headers, body: { items } as never })
          return provenance.record("days", items, { dryRun: false, caller })
        }
        assert.deepStrictEqual(statuses(yield* keyed([item("2024-01-03")])), ["skipped"])
        const both = [item("2024-01-01"), item("2024-01-02")]
        assert.deepStrictEqual(statuses(yield* keyed(both)), ["recorded", "recorded"])
        assert.deepStrictEqual(statuses(yield* keyed(both)), ["present", "present"])
        assert.strictEqual((yield* Effect.flip(keyed([item("2024-01-01")])))._tag, "CommandReused")
      })
    )
  )

  it.live("F11: what cannot be right is refused with its path", () =>
    play({ jobs: [making()], workflows: daily }, () =>
      Effect.gen(function* () {
        yield* succeeded("days", "2024-01-01")
        const refused = yield* Effect.flip(
          record([
            { ...item("nope"), workflow: "nights" },
            { locations: [{ store: "attic", key: "a" }] },
            item("2024-01-01"),
            item("2024-01-01")
          ])
        )
        assert(refused._tag === "InvalidInput")
        const told = refused.problems.map(({ message, path }) => `${path} ${message}`).join("\n")
        for (const fault of [
          "items[0].workflow must be a workflow that declares it: days",
          "items[0].partitionKey must name a day",
          "items[1].partitionKey is needed",
          "items[1].locations[0].store must be a store of the app: inbox, lake",
          "items[3].partitionKey must not come twice"
        ]) {
          assert.include(told, fault)
        }
        const provenance = yield* Provenance
        const unknown = yield* Effect.flip(provenance.record("nights", [item("a")], { dryRun: false }))
        assert.deepInclude(unknown, { _tag: "NotFound", kind: "asset" })
      })
    )
  )
})
