import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { type BackfillRequest, Backfills } from "../../src/actors/Backfills.ts"
import { Engine } from "../../src/actors/Engine.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import {
  define,
  eventsOf,
  gate,
  play,
  type Settings,
  soundHistory,
  succeeded,
  temporaryFolder,
  until
} from "../support/engine.ts"
import { boot } from "../recovery/process.ts"
import { daily, finished, letters, making, partitioned } from "./days.ts"

const plain = { id: "make", jobSlug: "make-day", produces: [{ assetId: "days" }] }

const ask = Effect.fnUntraced(function* (request: Omit<BackfillRequest, "workflow">) {
  const backfills = yield* Backfills
  return (yield* backfills.request({ workflow: "days", ...request })).backfill
})
const runsAsked = Effect.map(eventsOf("run", "RunRequested"), (events) => events.map((event) => event.partitionKey))

describe("a backfill", () => {
  it.live("F66: of a range of days runs each once, oldest first, and says how far it is", () =>
    play({ jobs: [making()], workflows: daily }, () =>
      Effect.gen(function* () {
        const partitions = { from: "2024-02-27", to: "2024-03-02" }
        const asked = yield* ask({ partitions, concurrency: 1, reason: "new column", parameters: { mode: "full" } })
        assert.deepInclude(asked, { workflow: "days", total: 5, running: 1, waiting: 4, status: "running" })
        const done = yield* finished(asked.id)
        assert.deepInclude(done, { status: "succeeded", succeeded: 5, failed: 0, running: 0, waiting: 0 })
        const days = ["2024-02-27", "2024-02-28", "2024-02-29", "2024-03-01", "2024-03-02"]
        assert.deepStrictEqual(yield* runsAsked, days)
        const [run] = yield* eventsOf("run", "RunRequested")
        assert.deepInclude(run, { trigger: { type: "backfill", backfillId: asked.id } })
        assert.deepInclude(run!.parameters, { mode: "full" })
      })
    )
  )

  it.live("F66: never has more runs under way than it may", () => {
    const door = gate()
    let now = 0
    let most = 0
    const job = making(async () => {
      most = Math.max(most, ++now)
      await door.pass()
      now--
    })
    return play({ jobs: [job], workflows: letters }, () =>
      Effect.gen(function* () {
        const asked = yield* ask({ partitions: "all", concurrency: 2 })
        yield* until(Effect.sync(door.arrived), (count) => count === 2, "two runs under way")
        door.open()
        assert.strictEqual((yield* finished(asked.id)).succeeded, 6)
        assert.strictEqual(most, 2)
      })
    )
  })

  it.live("F66: paused begins nothing more, resumed goes on, and canceled cancels what is under way", () => {
    const doors = [gate(), gate()]
    let calls = 0
    const job = making((ctx) =>
      Promise.race([
        doors[Math.min(calls++, 1)]!.pass(),
        new Promise<void>((_, reject) => ctx.signal.addEventListener("abort", () => reject(new Error("aborted"))))
      ])
    )
    return play({ jobs: [job], workflows: letters }, () =>
      Effect.gen(function* () {
        const backfills = yield* Backfills
        const { id } = yield* ask({ partitions: "all", concurrency: 1 })
        yield* until(Effect.sync(doors[0]!.arrived), (count) => count === 1, "first run")
        assert.strictEqual((yield* backfills.pause(id, "night")).backfill.status, "paused")
        doors[0]!.open()
        yield* until(backfills.read(id), ({ running }) => running === 0, "no run under way")
        assert.deepStrictEqual(yield* runsAsked, ["a"])
        yield* backfills.resume(id)
        yield* until(Effect.sync(doors[1]!.arrived), (count) => count === 1, "second run")
        yield* backfills.cancel(id, "wrong column")
        const done = yield* finished(id)
        assert.deepInclude(done, { status: "canceled", succeeded: 1, canceled: 1, waiting: 4 })
        const [canceled] = yield* eventsOf("run", "RunCanceled")
        assert.strictEqual(canceled!.reason, `backfill ${id} was canceled: wrong column`)
      })
    )
  })

  it.live("F66: stops at a canary that fails, and names it", () => {
    const job = making((ctx) => {
      if (ctx.partitionKey === "b") throw new Error("no such column")
    })
    return play({ jobs: [job], workflows: letters }, () =>
      Effect.gen(function* () {
        const { id } = yield* ask({ partitions: { keys: ["a", "b", "c", "d"] }, canary: 2 })
        const done = yield* finished(id)
        assert.deepInclude(done, { status: "failed", failedCanary: "b", succeeded: 1, failed: 1, waiting: 2 })
        assert.include(done.failures[0]!.message, "no such column")
        assert.sameMembers(yield* runsAsked, ["a", "b"])
      })
    )
  })

  it.live("F66: of what is missing only leaves alone what is there, and makes again what is gone", () =>
    play({ jobs: [making()], workflows: letters }, (folder) =>
      Effect.gen(function* () {
        const backfills = yield* Backfills
        for (const key of ["a", "b", "c"]) yield* succeeded("days", key)
        rmSync(join(folder, "lake", "days", "b.txt"))
        const request = { workflow: "days", partitions: "all", onlyMissing: true } as const
        const plan = yield* backfills.plan(request)
        assert.deepInclude(plan, { total: 6, wouldRun: 4, wouldSkip: 2, unknown: 0 })
        assert.deepStrictEqual(plan.partitions, ["b", "d", "e", "f"])
        assert.lengthOf(yield* eventsOf("backfill", "BackfillRequested"), 0, "a dry run asks for nothing")
        const done = yield* finished((yield* backfills.request(request)).backfill.id)
        assert.deepInclude(done, { status: "succeeded", succeeded: 4, skipped: 2 })
        assert.sameMembers((yield* runsAsked).slice(3), ["b", "d", "e", "f"])
      })
    )
  )

  it.live("F66: goes on after a crash, and each partition still runs once", () => {
    const door = gate()
    const ran: Array<string> = []
    const job = making(async (ctx) => {
      ran.push(ctx.partitionKey ?? "")
      if (ctx.partitionKey === "c") await door.pass()
    })
    return Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const log = Context.get(yield* Layer.build(MemoryEventStore.layer), EventStore)
        const given: Settings = { jobs: [job], baseDir: folder, drainMs: 0 }
        const first = yield* boot(log, { ...given, processId: "first" })
        yield* define(letters).pipe(Effect.provideService(Engine, first.engine!))
        const asked = yield* first.backfills!.request({ workflow: "days", partitions: "all", concurrency: 2 })
        const { id } = asked.backfill
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "third run")
        yield* first.kill
        door.open()
        const second = yield* boot(log, { ...given, processId: "second" })
        const read = second.backfills!.read(id)
        const done = yield* until(read, ({ finishedAt }) => finishedAt !== null, "end of the backfill", 60)
        assert.deepInclude(done, { status: "succeeded", succeeded: 6 })
        const asking = Effect.provideService(runsAsked, EventStore, log)
        assert.deepStrictEqual([...(yield* asking)].sort(), ["a", "b", "c", "d", "e", "f"])
        assert.isAbove(ran.filter((key) => key === "c").length, 1, "what was cut off ran again")
        yield* soundHistory(true).pipe(Effect.provideService(EventStore, log))
        yield* second.stop
      })
    )
  })
})

const problemsOf = Effect.fnUntraced(function* (request: Omit<BackfillRequest, "workflow">) {
  const refused = yield* Effect.flip(ask(request))
  assert(refused._tag === "InvalidInput", refused._tag)
  return refused.problems.map(({ message, path }) => `${path} ${message}`).join("\n")
})

describe("a backfill that cannot be", () => {
  it.live("F66: is refused with the path of each fault", () =>
    play({ jobs: [making()], workflows: daily }, () =>
      Effect.gen(function* () {
        yield* succeeded("days", "2024-01-01")
        const faults: ReadonlyArray<readonly [Omit<BackfillRequest, "workflow">, string]> = [
          [{ partitions: { from: "2024-13-01", to: "2024-01-02" } }, "partitions.from must name a day"],
          [{ partitions: { from: "2024-01-02", to: "2999-01-01" } }, "partitions.to must be a window that has begun"],
          [{ partitions: { from: "2024-01-02", to: "2024-01-01" } }, `partitions.from must not be after "to"`],
          [{ partitions: { from: "0001-01-01", to: "2024-01-01" } }, "partitions must span at most 100000 windows"],
          [{ partitions: { keys: [] } }, "partitions.keys must list at least one key"],
          [{ partitions: { keys: ["2024-01-01", "nope"] } }, "partitions.keys[1] must name a day"],
          [{ partitions: { keys: ["2024-01-01", "2024-01-01"] } }, "partitions.keys[1] must not be listed twice"],
          [{ partitions: "all", assetId: "nights" }, "assetId must be an asset that the workflow produces: days"],
          [{ partitions: "all", concurrency: 101 }, "concurrency must be a whole number from 1 to 100"],
          [{ partitions: "all", canary: -1 }, "canary must be a whole number from 0"]
        ]
        for (const [request, fault] of faults) assert.include(yield* problemsOf(request), fault)
        const backfills = yield* Backfills
        const unknown = yield* Effect.flip(backfills.request({ workflow: "nights", partitions: "all" }))
        assert.deepInclude(unknown, { _tag: "NotFound", kind: "workflow" })
        assert.deepInclude(yield* Effect.flip(backfills.cancel("nope", "")), { _tag: "NotFound", kind: "backfill" })
      })
    )
  )

  it.live("all of an asset with time windows are those of its lookback; without one it is refused", () => {
    const day = { type: "timeWindow", granularity: "day", timezone: "UTC" }
    const endless = partitioned(day)
    return play(
      {
        jobs: [making()],
        workflows: {
          ...daily,
          endless: { steps: [{ ...endless.days.steps[0], produces: [{ assetId: "nights", partitioning: day }] }] }
        }
      },
      () =>
        Effect.gen(function* () {
          yield* succeeded("days", "2024-01-01")
          const backfills = yield* Backfills
          assert.strictEqual((yield* backfills.plan({ workflow: "days", partitions: "all" })).total, 3)
          const refused = yield* Effect.flip(backfills.plan({ workflow: "endless", partitions: "all" }))
          assert.include(JSON.stringify(refused), "lookbackWindows")
        })
    )
  })

  it.live("a workflow without partitions takes keys only", () =>
    play({ jobs: [making()], workflows: { days: { steps: [plain] } } }, () =>
      Effect.gen(function* () {
        yield* succeeded("days", "k")
        assert.include(yield* problemsOf({ partitions: "all" }), `give {"keys": […]}`)
        assert.include(yield* problemsOf({ partitions: { from: "a", to: "b" } }), "no partitions")
      })
    )
  )
})
