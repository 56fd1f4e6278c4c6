import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { defineJob, PermanentFailure, TransientFailure } from "../../src/index.ts"
import { keyOf, makes, readInput, stepFor, uses } from "../support/chainApp.ts"
import {
  ended,
  eventsOf,
  gate,
  play,
  recoveries,
  start,
  stepIs,
  stepOf,
  succeeded,
  typesOf,
  until
} from "../support/engine.ts"

const base = (produces: object = {}) => ({
  steps: [{ ...stepFor("make-base"), produces: [{ assetId: "base", ...produces }] }]
})

describe("waiters of one recovery", () => {
  it.live("F25 T7: 200 runs that miss one asset at once share one recovery and one producer run, and all go on", () => {
    const door = gate()
    let made = 0
    const jobs = [
      makes("base", async () => {
        if (++made > 1) await door.pass()
        return `made ${made}`
      }),
      uses("base")
    ]
    const workflows = { bases: base(), users: { steps: [stepFor("use-base", { consumes: ["base"] })] } }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", keyOf("base")))
        const runs = yield* Effect.forEach(Array.from({ length: 200 }), () => start("users"), { concurrency: 50 })
        yield* until(recoveries, ([recovery]) => recovery?.waiterCount === 200, "recovery with all waiters")
        door.open()
        for (const { id } of runs) {
          const run = yield* ended(id)
          assert.strictEqual(run.status, "succeeded", JSON.stringify(run, null, 1))
          assert.deepStrictEqual(stepOf(run, "use-base").result, { text: "made 2" })
        }
        const [recovery, ...others] = yield* recoveries
        assert.strictEqual(others.length, 0)
        assert.strictEqual(recovery!.waiterCount, 200)
        assert.strictEqual(made, 2)
        const starts = yield* eventsOf("run", "RunRequested")
        assert.strictEqual(starts.filter(({ trigger }) => (trigger as { type: string }).type === "recovery").length, 1)
      })
    )
  })

  it.live("F25: whoever comes while the producer runs joins the same recovery", () => {
    const door = gate()
    let made = 0
    const jobs = [
      makes("base", async () => {
        if (++made > 1) await door.pass()
        return "base"
      }),
      uses("base")
    ]
    const workflows = { bases: base(), users: { steps: [stepFor("use-base", { consumes: ["base"] })] } }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", keyOf("base")))
        const ids: Array<string> = []
        for (let count = 0; count < 5; count++) {
          const { id } = yield* start("users")
          ids.push(id)
          const waiting = yield* stepIs(id, "use-base", "waiting")
          assert.strictEqual(waiting.status, "waiting", "a run whose only step waits is waiting")
        }
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "producer in progress")
        assert.strictEqual((yield* recoveries)[0]!.waiterCount, 5)
        door.open()
        for (const id of ids) assert.strictEqual((yield* ended(id)).status, "succeeded")
        assert.strictEqual((yield* recoveries).length, 1)
        assert.strictEqual(made, 2)
      })
    )
  })

  it.live("F26 T13: a sibling branch begins and finishes while the other waits", () => {
    const door = gate()
    let made = 0
    const jobs = [
      makes("base", async () => {
        if (++made > 1) await door.pass()
        return "base"
      }),
      uses("base"),
      defineJob({ slug: "first", run: async () => {} }),
      defineJob({ slug: "second", run: async () => {} }),
      defineJob({ slug: "join", run: async () => {} })
    ]
    const workflows = {
      bases: base(),
      forks: {
        steps: [
          stepFor("use-base", { consumes: ["base"] }),
          stepFor("first"),
          { ...stepFor("second"), dependsOn: ["first"] },
          { ...stepFor("join"), dependsOn: ["second", "use-base"] }
        ]
      }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", keyOf("base")))
        const { id } = yield* start("forks")
        const run = yield* stepIs(id, "second", "succeeded").pipe(Effect.andThen(stepIs(id, "use-base", "waiting")))
        const { waitingFor } = stepOf(run, "use-base")
        assert.strictEqual(waitingFor?.type, "recovery")
        assert.strictEqual(stepOf(run, "second").status, "succeeded")
        assert.strictEqual(stepOf(run, "join").status, "pending")
        door.open()
        assert.strictEqual((yield* ended(id)).status, "succeeded")
      })
    )
  })

  it.live(
    "F28 T1 F29: a producer that fails every attempt is tried three times with back-off, then its waiters fail at once",
    () => {
      let made = 0
      const jobs = [
        makes("base", () => {
          if (++made > 1) throw new TransientFailure("the instrument is broken")
          return "base"
        }),
        uses("base")
      ]
      const once = { steps: [stepFor("make-base", { produces: ["base"], retryPolicy: { strategy: "none" } })] }
      const workflows = { bases: once, users: { steps: [stepFor("use-base", { consumes: ["base"] })] } }
      return play({ jobs, workflows }, (folder) =>
        Effect.gen(function* () {
          yield* succeeded("bases")
          rmSync(join(folder, "lake", keyOf("base")))
          const { id } = yield* start("users")
          const run = yield* ended(id)
          assert.strictEqual(run.status, "failed")
          assert.strictEqual(run.failure?.code, "budget_exhausted")
          assert.include(run.failure?.message, "the instrument is broken", "the real cause is kept")
          assert.strictEqual(made, 4)
          const attempts = yield* eventsOf("recovery", "RecoveryAttemptFailed")
          assert.strictEqual(attempts.length, 3)
          const delays = attempts.flatMap(({ dueAt, recordedAt }) =>
            dueAt === undefined ? [] : [(dueAt as number) - recordedAt]
          )
          assert.strictEqual(delays.length, 2)
          assert.isTrue(delays[0]! >= 500 && delays[0]! <= 1_000, `first back-off of ${delays[0]} ms`)
          assert.isTrue(delays[1]! >= 1_000 && delays[1]! <= 2_000, `second back-off of ${delays[1]} ms`)
          const [gaveUp] = yield* eventsOf("recovery", "RecoveryFailed")
          const [told] = yield* eventsOf(`run-${id}`, "RunFailed")
          assert.isBelow(told!.recordedAt - gaveUp!.recordedAt, 500, "waiters are told within a tick")
        })
      )
    }
  )

  it.live("T33: two runs that wait for one recovery that fails each name their own step", () => {
    const door = gate()
    let made = 0
    const jobs = [
      makes("base", async () => {
        if (++made > 1) {
          await door.pass()
          throw new PermanentFailure("the instrument is broken")
        }
        return "base"
      }),
      uses("base", "left"),
      uses("base", "right")
    ]
    const workflows = {
      bases: base({ recovery: { maxAttempts: 1 } }),
      lefts: { steps: [stepFor("left", { consumes: ["base"] })] },
      rights: { steps: [stepFor("right", { consumes: ["base"] })] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", keyOf("base")))
        const left = yield* start("lefts")
        const right = yield* start("rights")
        yield* stepIs(left.id, "left", "waiting")
        yield* stepIs(right.id, "right", "waiting")
        yield* until(recoveries, ([recovery]) => recovery?.waiterCount === 2, "recovery with two waiters")
        door.open()
        for (const [{ id }, step] of [
          [left, "left"],
          [right, "right"]
        ] as const) {
          const run = yield* ended(id)
          assert.strictEqual(run.failure?.stepId, step)
          assert.include(run.failure?.message, `step ${step} `)
          assert.include(run.failure?.message, "the instrument is broken")
          assert.strictEqual(run.failure?.asset?.assetId, "base")
        }
      })
    )
  })

  it.live("T3 T35: recoveries that take no time at all end well, and no waiter is lost, over many rounds", () => {
    const jobs = [makes("base"), uses("base")]
    const workflows = { bases: base(), users: { steps: [stepFor("use-base", { consumes: ["base"] })] } }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        for (let round = 0; round < 15; round++) {
          yield* succeeded("bases")
          rmSync(join(folder, "lake", keyOf("base")), { force: true })
          const runs = yield* Effect.forEach(Array.from({ length: 4 }), () => start("users"), { concurrency: 4 })
          for (const { id } of runs) assert.strictEqual((yield* ended(id)).status, "succeeded")
        }
        for (const recovery of yield* recoveries) assert.strictEqual(recovery.status, "succeeded")
        const types = yield* typesOf("recovery")
        assert.strictEqual(
          types.filter((type) => type === "RecoverySucceeded").length,
          types.filter((type) => type === "RecoveryRequested").length
        )
      })
    )
  })

  it.live("an asset whose two inputs are both gone is made again after both, each once", () => {
    const calls: Array<string> = []
    const noted = (assetId: string) =>
      makes(assetId, () => {
        calls.push(assetId)
        return assetId
      })
    const jobs = [
      noted("left"),
      noted("right"),
      makes("both", async (ctx) => {
        calls.push("both")
        return `${await readInput(ctx, "left")}+${await readInput(ctx, "right")}`
      }),
      uses("both")
    ]
    const workflows = {
      lefts: { steps: [stepFor("make-left", { produces: ["left"] })] },
      rights: { steps: [stepFor("make-right", { produces: ["right"] })] },
      joins: { steps: [stepFor("make-both", { consumes: ["left", "right"], produces: ["both"] })] },
      users: { steps: [stepFor("use-both", { consumes: ["both"] })] }
    }
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        for (const workflow of ["lefts", "rights", "joins"]) yield* succeeded(workflow)
        calls.length = 0
        for (const assetId of ["left", "right", "both"]) rmSync(join(folder, "lake", keyOf(assetId)))
        const run = yield* succeeded("users")
        assert.deepStrictEqual(stepOf(run, "use-both").result, { text: "left+right" })
        assert.deepStrictEqual([...calls].sort(), ["both", "left", "right"])
        assert.strictEqual(calls[2], "both", "F18: the merge comes after its parents")
        const merge = (yield* recoveries).find(({ assetId }) => assetId === "both")!
        assert.strictEqual(merge.chain.length, 2)
        assert.strictEqual(merge.class, "recheck")
        assert.strictEqual((yield* engine.run(merge.producerRunId!)).status, "succeeded")
      })
    )
  })
})
