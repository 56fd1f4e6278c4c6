import { writeFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { defineJob } from "../../src/index.ts"
import { makes, stepFor } from "../support/chainApp.ts"
import { ended, eventsOf, play, succeeded, until } from "../support/engine.ts"

const automaticRuns = (workflow: string) =>
  Effect.map(eventsOf("run", "RunRequested"), (events) =>
    events.filter(
      (event) => event.workflow === workflow && (event.trigger as { readonly type: string }).type === "auto-materialize"
    )
  )
const onUpdate = { autoMaterialize: { onUpstreamUpdate: true } }
const partitioning = { type: "static", keys: ["a", "b", "c"] }
const note = defineJob({ slug: "note", run: () => Promise.resolve({ result: {} }) })

describe("one update that concerns a workflow twice", () => {
  const pair = defineJob({
    slug: "pair",
    run: () => Promise.resolve({ result: { assets: ["p.one", "p.two"].map((assetId) => ({ assetId, payload: 1 })) } })
  })

  it.live("F56: runs although another of its inputs, in the same page of the log, would start nothing", () => {
    const consumes = [{ assetId: "p.one" }, { assetId: "p.two", partitions: { last: 1 }, optional: true }]
    const produces = ["p.one", "p.two"].map((assetId) => ({ assetId, partitioning }))
    const workflows = {
      pairs: { steps: [{ ...stepFor("pair"), produces }] },
      uses: { steps: [{ ...stepFor("make-use"), consumes, produces: [{ assetId: "use", partitioning, ...onUpdate }] }] }
    }
    return play({ jobs: [pair, makes("use", () => "used")], workflows }, () =>
      Effect.gen(function* () {
        for (const key of ["a", "b"]) yield* succeeded("pairs", key)
        const runs = yield* until(automaticRuns("uses"), ({ length }) => length === 2, "runs of a and b")
        assert.deepStrictEqual(runs.map(({ partitionKey }) => partitionKey).sort(), ["a", "b"])
      })
    )
  })

  it.live("F56: runs although another of its steps consumes the same asset in a way that starts nothing", () => {
    const uses = (id: string, partitions: unknown, optional: boolean) => ({
      ...stepFor("make-use"),
      ...{ id, consumes: [{ assetId: "st", partitions, optional }] }
    })
    const workflows = {
      sts: { steps: [{ ...stepFor("make-st"), produces: [{ assetId: "st", partitioning }] }] },
      both: {
        steps: [
          { ...uses("one", { last: 1 }, true), jobSlug: "note" },
          { ...uses("two", "same", false), produces: [{ assetId: "use", partitioning, ...onUpdate }] }
        ]
      }
    }
    return play({ jobs: [makes("st", () => "st"), makes("use", () => "used"), note], workflows }, () =>
      Effect.gen(function* () {
        yield* succeeded("sts", "a")
        const runs = yield* until(automaticRuns("both"), ({ length }) => length === 1, "run of a")
        assert.strictEqual((yield* ended(runs[0]!.runId as string)).status, "succeeded")
        assert.deepStrictEqual(yield* eventsOf("materialization", "MaterializationSkipped"), [])
      })
    )
  })
})

describe("partition keys in another case", () => {
  it.live("are the same partition to every way of naming the ones that are consumed", () => {
    const use = (name: string, consumed: object) => ({
      steps: [
        {
          ...stepFor(`make-${name}`),
          consumes: [{ assetId: "st", ...consumed }],
          produces: [{ assetId: name, ...onUpdate }]
        }
      ]
    })
    const workflows = {
      sts: { steps: [{ ...stepFor("make-st"), produces: [{ assetId: "st", partitioning }] }] },
      constants: use("constant", { partitionKey: "C" }),
      newest: use("newest", { partitions: { last: 2 } })
    }
    const jobs = [makes("st", () => "st"), makes("constant", () => "x"), makes("newest", () => "x")]
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        yield* succeeded("sts", "c")
        yield* until(automaticRuns("constants"), ({ length }) => length === 1, "run for the one key")
        yield* until(automaticRuns("newest"), ({ length }) => length === 1, "run for the newest keys")
        yield* succeeded("sts", "C")
        yield* until(automaticRuns("constants"), ({ length }) => length === 2, "second run for the one key")
        yield* until(automaticRuns("newest"), ({ length }) => length === 2, "second run for the newest keys")
      })
    )
  })
})

describe("a failed automatic run that an operator has recovered", () => {
  it.live("F58: is neither repeated nor run beside, and its success is all that its update needed", () => {
    let broken = true
    let inProgress = 0
    let most = 0
    const slow = defineJob({
      slug: "slow",
      run: async () => {
        most = Math.max(most, ++inProgress)
        if (!broken) await new Promise((resolve) => setTimeout(resolve, 700))
        inProgress--
        return broken ? { status: "failed" } : { result: { assets: [{ assetId: "top", payload: 1 }] } }
      }
    })
    const workflows = {
      bases: { steps: [{ ...stepFor("make-base"), produces: [{ assetId: "base" }] }] },
      tops: {
        steps: [
          {
            ...{ ...stepFor("slow"), retryPolicy: { strategy: "none" } },
            ...{ consumes: [{ assetId: "base" }], produces: [{ assetId: "top", ...onUpdate }] }
          }
        ]
      }
    }
    return play({ jobs: [makes("base", () => "base"), slow], workflows }, (folder) =>
      Effect.gen(function* () {
        writeFileSync(`${folder}/started`, "")
        yield* succeeded("bases")
        const [run] = yield* until(automaticRuns("tops"), ({ length }) => length === 1, "run")
        yield* ended(run!.runId as string)
        broken = false
        // Its cool-down of 200 ms ends while the recovered run is in progress.
        const engine = yield* Engine
        yield* engine.recoverRun(run!.runId as string)
        assert.strictEqual((yield* ended(run!.runId as string)).status, "succeeded")
        yield* Effect.sleep("1500 millis")
        assert.strictEqual((yield* automaticRuns("tops")).length, 1, "nothing is repeated")
        assert.strictEqual(most, 1, "one at a time")
        const why = (yield* eventsOf("materialization", "MaterializationSkipped")).map(
          (skipped) => skipped.why as string
        )
        assert.isTrue(why.every((text) => text.includes("has been recovered")))
      })
    )
  })
})
