import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { defineJob } from "../../src/index.ts"
import { makes, readInput, stepFor, uses } from "../support/chainApp.ts"
import {
  define,
  ended,
  eventsOf,
  gate,
  type Settings,
  soundHistory,
  start,
  stepIs,
  stepOf,
  succeeded,
  temporaryFolder,
  typesOf,
  until
} from "../support/engine.ts"
import { boot, type Fate, type Process } from "./process.ts"

/** A log in memory, a folder, and processes that come and go on them. */
const world = <A, E>(
  body: (
    folder: string,
    log: EventStore["Service"],
    on: (process: Process) => <B, F, R>(effect: Effect.Effect<B, F, R>) => Effect.Effect<B, F, Exclude<R, Engine>>
  ) => Effect.Effect<A, E, EventStore>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const log = Context.get(yield* Layer.build(MemoryEventStore.layer), EventStore)
      const on =
        ({ engine }: Process) =>
        <B, F, R>(effect: Effect.Effect<B, F, R>) => {
          assert(engine !== null, "the process died while it started")
          return Effect.provideService(effect, Engine, engine)
        }
      return yield* Effect.provideService(body(folder, log, on), EventStore, log)
    })
  )

const bases = { steps: [stepFor("make-base", { produces: ["base"] })] }
const users = { steps: [stepFor("use-base", { consumes: ["base"] })] }

describe("a process that dies", () => {
  it.live("F38 F47: in the middle of a step, the next one records the interruption, and the step runs again", () => {
    const door = gate()
    const jobs = [
      defineJob({ slug: "before", run: async () => ({ result: { ran: "once" } }) }),
      defineJob({ slug: "work", run: (ctx) => (ctx.attempt === 1 ? door.pass() : undefined) })
    ]
    const workflows = { works: { steps: [stepFor("before"), { ...stepFor("work"), dependsOn: ["before"] }] } }
    return world((folder, log, on) =>
      Effect.gen(function* () {
        const given: Settings = { jobs, baseDir: folder, drainMs: 0 }
        const first = yield* boot(log, { ...given, processId: "first" })
        yield* on(first)(define(workflows))
        const { id } = yield* on(first)(start("works"))
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "step in progress")
        yield* first.kill
        const second = yield* boot(log, { ...given, processId: "second" })
        const run = yield* on(second)(ended(id))
        assert.strictEqual(run.status, "succeeded")
        assert.deepStrictEqual([stepOf(run, "before").attempt, stepOf(run, "work").attempt], [1, 2])
        const [interrupted] = yield* eventsOf(`run-${id}`, "RunInterrupted")
        assert.deepInclude(interrupted, {
          reason: "crash",
          processId: "second",
          steps: [{ stepId: "work", attempt: 1 }]
        })
        assert.deepStrictEqual(yield* eventsOf(`run-${id}`, "StepRetryScheduled"), [], "no retry is lost")
        // What the dead process' job does now reaches nobody.
        door.open()
        yield* soundHistory(true)
        yield* second.stop
      })
    )
  })

  it.live("F38: while a step waits for a recovery whose producer executes, both go on in the next one", () => {
    const door = gate()
    let made = 0
    const jobs = [
      makes("base", async () => {
        if (++made === 2) await door.pass()
        return "base"
      }),
      uses("base")
    ]
    return world((folder, log, on) =>
      Effect.gen(function* () {
        const given: Settings = { jobs, baseDir: folder, drainMs: 0 }
        const first = yield* boot(log, given)
        yield* on(first)(define({ bases, users }))
        yield* on(first)(succeeded("bases"))
        rmSync(join(folder, "lake", "base.txt"))
        const { id } = yield* on(first)(start("users"))
        yield* on(first)(stepIs(id, "use-base", "waiting"))
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "producer in progress")
        yield* first.kill
        const second = yield* boot(log, given)
        assert.strictEqual((yield* on(second)(ended(id))).status, "succeeded")
        assert.strictEqual((yield* typesOf("recovery")).filter((type) => type === "RecoveryScheduled").length, 1)
        assert.strictEqual(made, 3)
        door.open()
        yield* soundHistory(true)
        yield* second.stop
      })
    )
  })

  it.live("F38: a step cut off by crashes as often as the limit allows fails with crash_loop", () => {
    const door = gate()
    const jobs = [defineJob({ slug: "work", run: () => door.pass() })]
    return world((folder, log, on) =>
      Effect.gen(function* () {
        const given: Settings = { jobs, baseDir: folder, drainMs: 0, crashLimit: 3 }
        let process = yield* boot(log, given)
        yield* on(process)(define({ works: { steps: [stepFor("work")] } }))
        const { id } = yield* on(process)(start("works"))
        for (let crash = 1; crash <= 3; crash++) {
          yield* until(Effect.sync(door.arrived), (count) => count === crash, `execution ${crash}`)
          yield* process.kill
          process = yield* boot(log, given)
        }
        const run = yield* on(process)(ended(id))
        assert.strictEqual(run.failure?.code, "crash_loop")
        assert.strictEqual(stepOf(run, "work").attempt, 3)
        door.open()
        yield* soundHistory(true)
        yield* process.stop
      })
    )
  })

  it.live("an orderly stop lets short steps finish, and what it cuts off counts as no crash", () => {
    const door = gate()
    const brief = gate()
    const jobs = [
      defineJob({ slug: "long", run: (ctx) => (ctx.attempt < 4 ? door.pass() : undefined) }),
      defineJob({ slug: "short", run: () => brief.pass() })
    ]
    return world((folder, log, on) =>
      Effect.gen(function* () {
        const given: Settings = { jobs, baseDir: folder, drainMs: 100, crashLimit: 2 }
        let process = yield* boot(log, given)
        yield* on(process)(define({ longs: { steps: [stepFor("long")] }, shorts: { steps: [stepFor("short")] } }))
        const long = yield* on(process)(start("longs"))
        const short = yield* on(process)(start("shorts"))
        yield* until(Effect.sync(brief.arrived), (count) => count === 1, "short step in progress")
        for (let stop = 1; stop <= 3; stop++) {
          yield* until(Effect.sync(door.arrived), (count) => count === stop, `execution ${stop}`)
          brief.open()
          yield* process.stop
          process = yield* boot(log, given)
        }
        assert.strictEqual((yield* on(process)(ended(long.id))).status, "succeeded")
        const run = yield* on(process)(ended(short.id))
        assert.strictEqual(stepOf(run, "short").attempt, 1, "it was let finish")
        const reasons = (yield* eventsOf("run", "RunInterrupted")).map(({ reason }) => reason)
        assert.deepStrictEqual(reasons, ["drain", "drain", "drain"])
        door.open()
        yield* soundHistory(true)
        yield* process.stop
      })
    )
  })

  /** A workload with a loss in it; answers what it acknowledged. */
  const chain = () => {
    const made: Array<string> = []
    const noted = (assetId: string, from?: string) =>
      makes(assetId, async (ctx) => {
        made.push(assetId)
        return from === undefined ? assetId : `${assetId} of ${await readInput(ctx, from)}`
      })
    return {
      jobs: [noted("base"), noted("view", "base"), uses("view")],
      workflows: {
        bases,
        views: { steps: [stepFor("make-view", { consumes: ["base"], produces: ["view"] })] },
        users: { concurrency: 1, steps: [stepFor("use-view", { consumes: ["view"] })] }
      }
    }
  }

  /** Both assets made, both lost, two consumers started; then a process that meets its fate, and one that lives. */
  const survive = (fate: Fate) =>
    world((folder, log, on) =>
      Effect.gen(function* () {
        const { jobs, workflows } = chain()
        const given: Settings = { jobs, baseDir: folder, drainMs: 0 }
        const maker = yield* boot(log, given)
        yield* on(maker)(define(workflows))
        yield* on(maker)(succeeded("bases"))
        yield* on(maker)(succeeded("views"))
        yield* maker.stop
        rmSync(join(folder, "lake", "base.txt"))
        rmSync(join(folder, "lake", "view.txt"))

        const doomed = yield* boot(log, given, fate)
        const over =
          doomed.engine === null
            ? Effect.void
            : Effect.forEach(["users", "users"], (workflow) => succeeded(workflow), { concurrency: 2 }).pipe(
                Effect.provideService(Engine, doomed.engine),
                Effect.asVoid
              )
        yield* Effect.raceFirst(over, doomed.died)
        const appends = doomed.appends()
        yield* doomed.kill

        const last = yield* boot(log, given)
        yield* on(last)(
          Effect.gen(function* () {
            // A start that was never acknowledged may be missing; it is asked for again by whoever wanted it.
            yield* succeeded("users")
            for (const { runId } of yield* eventsOf("run", "RunRequested")) {
              assert.strictEqual((yield* ended(String(runId))).status, "succeeded")
            }
          })
        )
        yield* soundHistory(true)
        yield* last.stop
        return appends
      })
    )

  it.live(
    "F38: at whichever of its appends, before or after it is durable, every run ends well and no step twice",
    () =>
      Effect.gen(function* () {
        const total = yield* survive(() => null)
        assert.isAbove(total, 20)
        for (let append = 1; append <= total; append++) {
          const death = append % 2 === 0 ? "before" : "after"
          yield* survive((number) => (number === append ? death : null)).pipe(
            Effect.catchDefect((defect) => Effect.die(new Error(`dead ${death} append ${append}`, { cause: defect })))
          )
        }
      })
  )
})
