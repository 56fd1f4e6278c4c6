import { renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { Engine } from "../../src/actors/Engine.ts"
import { defineJob } from "../../src/index.ts"
import { makes, readInput, stepFor, uses } from "../support/chainApp.ts"
import { ended, eventsOf, gate, history, play, start, stepIs, stepOf, succeeded, until } from "../support/engine.ts"

/** A job that notes how many of it execute at once. */
const counted = (slug: string) => {
  let now = 0
  let most = 0
  const job = defineJob({
    slug,
    run: async () => {
      most = Math.max(most, ++now)
      await delay(5)
      now--
    }
  })
  return { job, most: () => most }
}

/** The most steps of a workflow that executed at once, by the log: starts minus ends, in log order. */
const mostExecuting = (workflow: string) =>
  Effect.map(history, (events) => {
    const own = new Set(
      events
        .filter(({ payload, type }) => type === "RunRequested" && payload.includes(`"workflow":"${workflow}"`))
        .map(({ streamName }) => streamName)
    )
    let now = 0
    let most = 0
    for (const { streamName, type } of events) {
      if (!own.has(streamName)) continue
      if (type === "StepStarted") most = Math.max(most, ++now)
      if (type === "StepSucceeded" || type === "StepFailed") now--
    }
    return most
  })

describe("limits", () => {
  it.live("concurrency: no more steps of a workflow execute at once than its limit, over all its runs", () => {
    const { job, most } = counted("work")
    const workflows = {
      works: {
        concurrency: 3,
        steps: [
          stepFor("work"),
          { ...stepFor("work"), id: "again" },
          { ...stepFor("work"), id: "then", dependsOn: ["work"] }
        ]
      }
    }
    return play({ jobs: [job], workflows }, () =>
      Effect.gen(function* () {
        const runs = yield* Effect.forEach(Array.from({ length: 20 }), () => start("works"), { concurrency: 20 })
        for (const { id } of runs) assert.strictEqual((yield* ended(id)).status, "succeeded")
        assert.strictEqual(most(), 3)
        assert.isAtMost(yield* mostExecuting("works"), 3)
        yield* until(eventsOf("limit", "SlotReleased"), (given) => given.length >= 60, "slots given back")
      })
    )
  })

  it.live("a process executes no more steps at once than KINTSUGI_CONCURRENCY, and uses what it has", () => {
    const { job, most } = counted("work")
    const workflows = { works: { steps: [stepFor("work"), { ...stepFor("work"), id: "again" }] } }
    return play({ jobs: [job], workflows, settings: { concurrency: 4 } }, () =>
      Effect.gen(function* () {
        const engine = yield* Engine
        const runs = yield* Effect.forEach(Array.from({ length: 20 }), () => start("works"), { concurrency: 20 })
        for (const { id } of runs) assert.strictEqual((yield* ended(id)).status, "succeeded")
        assert.strictEqual(most(), 4)
        yield* until(engine.gauges, ({ executing }) => executing === 0, "free slots")
      })
    )
  })

  it.live("a step that waits for a recovery holds no slot, neither the workflow's nor the process's", () => {
    const door = gate()
    let made = 0
    const jobs = [
      makes("base", async () => {
        if (++made > 1) await door.pass()
        return "base"
      }),
      defineJob({ slug: "peek", run: async (ctx) => void (await ctx.files.readText("lake", "base.txt")) }),
      defineJob({ slug: "other", run: async () => {} })
    ]
    const workflows = {
      bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
      peeks: { concurrency: 1, steps: [stepFor("peek")] },
      others: { steps: [stepFor("other")] }
    }
    return play({ jobs, workflows, settings: { concurrency: 2 } }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const first = yield* start("peeks")
        const second = yield* start("peeks")
        yield* stepIs(first.id, "peek", "waiting")
        yield* stepIs(second.id, "peek", "waiting")
        yield* succeeded("others")
        door.open()
        for (const { id } of [first, second]) assert.strictEqual((yield* ended(id)).status, "succeeded")
      })
    )
  })

  it.live("a recovery is not blocked by the very steps that wait for it, with one slot in the process", () =>
    play(
      {
        jobs: [makes("base"), makes("view", (ctx) => readInput(ctx, "base")), uses("view")],
        workflows: {
          bases: { concurrency: 1, steps: [stepFor("make-base", { produces: ["base"] })] },
          views: { concurrency: 1, steps: [stepFor("make-view", { consumes: ["base"], produces: ["view"] })] },
          users: { concurrency: 1, steps: [stepFor("use-view", { consumes: ["view"] })] }
        },
        settings: { concurrency: 1 }
      },
      (folder) =>
        Effect.gen(function* () {
          yield* succeeded("bases")
          yield* succeeded("views")
          rmSync(join(folder, "lake", "base.txt"))
          rmSync(join(folder, "lake", "view.txt"))
          const runs = yield* Effect.forEach(Array.from({ length: 5 }), () => start("users"), { concurrency: 5 })
          for (const { id } of runs) assert.strictEqual((yield* ended(id)).status, "succeeded")
        })
    )
  )

  it.live("a canceled run that waits for a slot leaves the queue, and the slot goes to the next", () => {
    const door = gate()
    const jobs = [defineJob({ slug: "work", run: () => door.pass() })]
    return play({ jobs, workflows: { works: { concurrency: 1, steps: [stepFor("work")] } } }, () =>
      Effect.gen(function* () {
        const engine = yield* Engine
        const first = yield* start("works")
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "step in progress")
        const second = yield* start("works")
        const third = yield* start("works")
        yield* until(eventsOf("limit", "SlotQueued"), (queued) => queued.length === 2, "two in the queue")
        yield* engine.cancelRun(second.id, "changed my mind")
        door.open()
        assert.strictEqual((yield* ended(first.id)).status, "succeeded")
        assert.strictEqual((yield* ended(third.id)).status, "succeeded")
        assert.strictEqual(stepOf(yield* ended(second.id), "work").attempt, 0)
      })
    )
  })

  it.live("an execution that is canceled gives its workflow's slot back", () => {
    const door = gate()
    const jobs = [defineJob({ slug: "work", run: (ctx) => (ctx.partitionKey === "stuck" ? door.pass() : undefined) })]
    return play({ jobs, workflows: { works: { concurrency: 1, steps: [stepFor("work")] } } }, () =>
      Effect.gen(function* () {
        const engine = yield* Engine
        const first = yield* start("works", "stuck")
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "step in progress")
        const second = yield* start("works", "free")
        yield* engine.cancelRun(first.id, "stuck")
        assert.strictEqual((yield* ended(second.id)).status, "succeeded")
        door.open()
      })
    )
  })
})

describe("run keys and inputs", () => {
  it.live("F51: of starts with one run key at once only one becomes a run; after its end the key is free", () => {
    const door = gate()
    const jobs = [defineJob({ slug: "work", run: () => door.pass() })]
    return play({ jobs, workflows: { works: { steps: [stepFor("work")] } } }, () =>
      Effect.gen(function* () {
        const engine = yield* Engine
        const starting = engine.startRun({ workflow: "works", runKey: "daily" })
        const answers = yield* Effect.forEach(Array.from({ length: 10 }), () => starting, { concurrency: 10 })
        const ids = new Set(answers.map(({ run }) => run.id))
        assert.strictEqual(ids.size, 1)
        door.open()
        const [id] = [...ids]
        assert.strictEqual((yield* ended(id!)).status, "succeeded")
        const next = yield* until(starting, ({ run }) => run.id !== id, "a fresh run")
        assert.strictEqual((yield* ended(next.run.id)).status, "succeeded")
        assert.strictEqual((yield* eventsOf("run", "RunRequested")).length, 2)
      })
    )
  })

  it.live("F51: within runKeyWindowMs after its end a run still answers for its key, and conflicts are counted", () => {
    const jobs = [defineJob({ slug: "work", run: async () => {} })]
    const works = { runKeyWindowMs: 600_000, steps: [stepFor("work")] }
    return play({ jobs, workflows: { works } }, () =>
      Effect.gen(function* () {
        const engine = yield* Engine
        const starting = engine.startRun({ workflow: "works", runKey: "daily" })
        const { run } = yield* starting
        assert.strictEqual((yield* ended(run.id)).status, "succeeded")
        yield* until(eventsOf("runkey", "RunKeyReleased"), ({ length }) => length === 1, "the end of the key's run")
        const again = yield* starting
        assert.deepInclude(again.run, { id: run.id, status: "succeeded" })
        assert.strictEqual((yield* eventsOf("run", "RunRequested")).length, 1)
        assert.strictEqual((yield* eventsOf("runkey", "RunKeyConflictCounted")).length, 1)
        const text = yield* PrometheusMetrics.format()
        assert.match(text, /kintsugi_run_key_conflicts_total\{workflow="works"\} 1/)
        yield* engine.define("works", { steps: [stepFor("work")] }, "app")
        assert.notStrictEqual((yield* starting).run.id, run.id, "without a window the key is free")
      })
    )
  })

  it.live("F6 T25: every consumed asset is there before the step starts, so a lost one costs no execution", () =>
    play(
      {
        jobs: [makes("left"), makes("right"), defineJob({ slug: "use", run: async () => {} })],
        workflows: {
          lefts: { steps: [stepFor("make-left", { produces: ["left"] })] },
          rights: { steps: [stepFor("make-right", { produces: ["right"] })] },
          users: { steps: [stepFor("use", { consumes: ["left", "right"] })] }
        }
      },
      (folder) =>
        Effect.gen(function* () {
          yield* succeeded("lefts")
          yield* succeeded("rights")
          rmSync(join(folder, "lake", "right.txt"))
          const run = yield* succeeded("users")
          assert.strictEqual(stepOf(run, "use").attempt, 1)
          const [started] = yield* eventsOf(`run-${run.id}`, "StepStarted")
          assert.deepStrictEqual(started!.inputs, [
            { assetId: "left", partitionKey: "", generation: 1 },
            { assetId: "right", partitionKey: "", generation: 2 }
          ])
        })
    )
  )

  it.live(
    "F6: a step between the look at its inputs and its start loses nothing when an input vanishes just then",
    () =>
      play(
        {
          jobs: [makes("base"), uses("base")],
          workflows: {
            bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
            users: { concurrency: 1, steps: [stepFor("use-base", { consumes: ["base"] })] }
          }
        },
        (folder) =>
          Effect.gen(function* () {
            const file = join(folder, "lake", "base.txt")
            yield* succeeded("bases")
            const ids: Array<string> = []
            for (let count = 0; count < 20; count++) ids.push((yield* start("users")).id)
            yield* Effect.sleep("5 millis")
            renameSync(file, `${file}.lost`)
            for (const id of ids) assert.strictEqual((yield* ended(id)).status, "succeeded")
          })
      )
  )
})
