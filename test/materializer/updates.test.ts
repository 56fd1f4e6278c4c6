import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { makes, readInput, stepFor } from "../support/chainApp.ts"
import { ended, eventsOf, gate, history, play, recoveries, succeeded, until } from "../support/engine.ts"

/** Runs of one workflow that started by themselves, oldest first. */
const automaticRuns = (workflow: string) =>
  Effect.map(eventsOf("run", "RunRequested"), (events) =>
    events.filter(
      (event) => event.workflow === workflow && (event.trigger as { readonly type: string }).type === "auto-materialize"
    )
  )

const derived = { autoMaterialize: { onUpstreamUpdate: true } }
const producing = (job: string, asset: object, consumes: ReadonlyArray<string | object> = []) => ({
  steps: [
    {
      ...stepFor(job),
      consumes: consumes.map((input) => (typeof input === "string" ? { assetId: input } : input)),
      produces: [asset]
    }
  ]
})

describe("what an update starts", () => {
  it.live("F53 F54 F59: a production starts the dependants that opted in, level by level, and each says why", () => {
    const jobs = [
      makes("base"),
      makes("middle", (ctx) => readInput(ctx, "base")),
      makes("top", (ctx) => readInput(ctx, "middle")),
      makes("aside", (ctx) => readInput(ctx, "base"))
    ]
    const workflows = {
      bases: producing("make-base", { assetId: "base" }),
      middles: producing("make-middle", { assetId: "middle", ...derived }, ["base"]),
      tops: producing("make-top", { assetId: "top", ...derived }, ["middle"]),
      asides: producing("make-aside", { assetId: "aside" }, ["base"])
    }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        const base = yield* succeeded("bases")
        const [run] = yield* until(automaticRuns("tops"), (runs) => runs.length === 1, "run of the top")
        yield* ended(run!.runId as string)
        const [middle] = yield* automaticRuns("middles")
        const upstream = { assetId: "base", generation: 1, workflow: "bases", runId: base.id }
        assert.deepStrictEqual(middle!.trigger, {
          type: "auto-materialize",
          reason: "upstream-update",
          assetId: "base",
          upstream,
          coalesced: 1
        })
        assert.deepStrictEqual(yield* automaticRuns("asides"), [], "who did not opt in is left alone")
      })
    )
  })

  it.live("T15 T16 F55: 50 partitions updated at once are all refreshed, each by a run of its own", () => {
    const keys = Array.from({ length: 50 }, (_, index) => `p${index}`)
    const partitioning = { type: "static", keys }
    const jobs = [makes("base"), makes("top", (ctx) => readInput(ctx, "base"))]
    const workflows = {
      bases: producing("make-base", { assetId: "base", partitioning }),
      tops: producing("make-top", { assetId: "top", partitioning, ...derived }, ["base"])
    }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        yield* Effect.forEach(keys, (key) => succeeded("bases", key), { concurrency: 10 })
        const runs = yield* until(automaticRuns("tops"), ({ length }) => length === 50, "50 runs")
        for (const { runId } of runs) assert.strictEqual((yield* ended(runId as string)).status, "succeeded")
        assert.deepStrictEqual(runs.map(({ partitionKey }) => partitionKey as string).sort(), [...keys].sort())
      })
    )
  })

  it.live(
    "F36 F56: a burst while the dependant executes ends in one run more, which sees the newest generation",
    () => {
      const door = gate()
      const seen: Array<string> = []
      let made = 0
      const jobs = [
        makes("base", () => `version ${++made}`),
        makes("top", async (ctx) => {
          seen.push(await readInput(ctx, "base"))
          await door.pass()
          return "top"
        })
      ]
      const workflows = {
        bases: producing("make-base", { assetId: "base" }),
        tops: producing("make-top", { assetId: "top", ...derived }, ["base"])
      }
      return play({ jobs, workflows }, () =>
        Effect.gen(function* () {
          yield* succeeded("bases")
          yield* until(Effect.sync(door.arrived), (count) => count === 1, "dependant in progress")
          for (let update = 0; update < 10; update++) yield* succeeded("bases")
          yield* until(
            eventsOf("materialization", "MaterializationRequested"),
            (asked) => asked.reduce((sum, { count }) => sum + (count as number), 0) === 11,
            "every update taken in"
          )
          door.open()
          const runs = yield* until(automaticRuns("tops"), ({ length }) => length === 2, "second run")
          yield* ended(runs[1]!.runId as string)
          assert.deepStrictEqual(seen, ["version 1", "version 11"])
          assert.strictEqual((runs[1]!.trigger as { readonly coalesced: number }).coalesced, 10)
        })
      )
    }
  )

  it.live("a heal that brings the same bytes starts nobody; one that brings others is an update", () => {
    let text = "one"
    const jobs = [
      makes("base", () => text),
      makes("top", async (ctx) => `top of ${await readInput(ctx, "base")}`),
      makes("side", async (ctx) => `side of ${await readInput(ctx, "base")}`)
    ]
    const workflows = {
      bases: producing("make-base", { assetId: "base" }),
      tops: producing("make-top", { assetId: "top", ...derived }, ["base"]),
      sides: producing("make-side", { assetId: "side" }, ["base"])
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        const file = join(folder, "lake", "base.txt")
        yield* succeeded("bases")
        yield* until(automaticRuns("tops"), ({ length }) => length === 1, "first run")
        rmSync(file)
        yield* succeeded("sides")
        text = "two"
        rmSync(file)
        yield* succeeded("sides")
        const runs = yield* until(automaticRuns("tops"), ({ length }) => length === 2, "second run")
        const { upstream } = runs[1]!.trigger as unknown as { readonly upstream: { readonly generation: number } }
        assert.strictEqual(upstream.generation, 3, "generation 2 had the bytes of generation 1")
        assert.strictEqual((yield* recoveries).length, 2)
      })
    )
  })

  it.live("T22 F67: a failed result is no production and starts nobody", () => {
    const failing = {
      ...makes("base"),
      run: () => Promise.resolve({ status: "failed" as const, result: { assets: [{ assetId: "base", payload: 1 }] } })
    }
    const jobs = [failing, makes("top")]
    const workflows = {
      bases: {
        steps: [{ ...stepFor("make-base"), retryPolicy: { strategy: "none" }, produces: [{ assetId: "base" }] }]
      },
      tops: producing("make-top", { assetId: "top", ...derived }, ["base"])
    }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        const engine = yield* Engine
        const { run } = yield* engine.startRun({ workflow: "bases" })
        assert.strictEqual((yield* ended(run.id)).status, "failed")
        assert.deepStrictEqual(yield* eventsOf("asset", "AssetProduced"), [])
        yield* Effect.sleep("100 millis")
        assert.deepStrictEqual(yield* automaticRuns("tops"), [])
      })
    )
  })

  it.live("F60: an update that starts no run is kept with the reason", () => {
    const jobs = [makes("base"), makes("top")]
    const workflows = {
      bases: producing("make-base", { assetId: "base" }),
      tops: producing("make-top", { assetId: "top", partitioning: { type: "static", keys: ["a"] }, ...derived }, [
        "base"
      ])
    }
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        yield* succeeded("bases", "z")
        const [skipped] = yield* until(
          eventsOf("materialization", "MaterializationSkipped"),
          ({ length }) => length === 1,
          "skipped update"
        )
        assert.include(skipped!.why, '"z" is not a declared key')
        assert.strictEqual((yield* history).filter(({ type }) => type === "MaterializationStarted").length, 0)
      })
    )
  })

  it.live("F54: an asset whose time is over is made again by its own workflow, and says so", () => {
    const jobs = [makes("base")]
    const workflows = {
      bases: producing("make-base", { assetId: "base", freshness: { ttlMs: 300 }, autoMaterialize: {} })
    }
    return play({ jobs, workflows, ends: false }, () =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        const [run] = yield* until(automaticRuns("bases"), ({ length }) => length >= 1, "refresh")
        assert.deepInclude(run!.trigger, { reason: "expiry", expiry: "ttl", assetId: "base" })
        const [first] = yield* eventsOf("asset", "AssetProduced")
        assert.isAtLeast(run!.recordedAt - (first!.producedAt as number), 300)
      })
    )
  })

  it.live("without a block expiry is noted and starts nobody; who waits for the expiry is told of it", () => {
    const jobs = [makes("window"), makes("top")]
    const workflows = {
      windows: producing("make-window", { assetId: "window", freshness: { ttlMs: 100 } }),
      tops: producing("make-top", { assetId: "top", ...derived }, [
        { assetId: "window", optional: true, updateOn: "expired" }
      ])
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        writeFileSync(join(folder, "unused"), "")
        yield* succeeded("windows")
        const [run] = yield* until(automaticRuns("tops"), ({ length }) => length === 1, "run on expiry")
        assert.deepInclude(run!.trigger, { reason: "expiry", expiry: "ttl", assetId: "window" })
        yield* ended(run!.runId as string)
        assert.deepStrictEqual(yield* automaticRuns("windows"), [])
        assert.strictEqual((yield* eventsOf("asset", "AssetExpired")).length, 1)
      })
    )
  })
})
