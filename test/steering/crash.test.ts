import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { defineJob } from "../../src/index.ts"
import { boot, type Process } from "../recovery/process.ts"
import { stepFor } from "../support/chainApp.ts"
import {
  define,
  ended,
  eventsOf,
  gate,
  type Settings,
  soundHistory,
  start,
  stepOf,
  temporaryFolder,
  until
} from "../support/engine.ts"

const on =
  ({ engine }: Process) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) => {
    assert(engine !== null, "the process died while it started")
    return Effect.provideService(effect, Engine, engine)
  }

/** A log in memory and a folder, on which processes come and go. */
const world = <A, E>(body: (folder: string, log: EventStore["Service"]) => Effect.Effect<A, E, EventStore>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const log = Context.get(yield* Layer.build(MemoryEventStore.layer), EventStore)
      return yield* Effect.provideService(body(folder, log), EventStore, log)
    })
  )

describe("a process that dies while operators steer", () => {
  it.live("F46 F38: in the middle of a restore, the next one ends it the same", () => {
    const door = gate()
    const jobs = [
      defineJob({ slug: "first", run: async () => ({ result: { ran: true } }) }),
      defineJob({
        slug: "second",
        run: async (ctx) => {
          if (ctx.attempt === 2) await door.pass()
          return { result: { attempt: ctx.attempt } }
        }
      }),
      defineJob({ slug: "third", run: async (ctx) => ({ result: { of: ctx.steps.second ?? null } }) })
    ]
    const workflows = {
      w: {
        steps: [
          stepFor("first"),
          { ...stepFor("second"), dependsOn: ["first"] },
          { ...stepFor("third"), dependsOn: ["second"] }
        ]
      }
    }
    return world((folder, log) =>
      Effect.gen(function* () {
        const given: Settings = { jobs, baseDir: folder, drainMs: 0 }
        const one = yield* boot(log, { ...given, processId: "one" })
        yield* on(one)(define(workflows))
        const { id } = yield* on(one)(start("w"))
        yield* on(one)(ended(id))
        yield* one.steering!.restore(id, 1)
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "step that is done again")
        yield* one.kill
        const two = yield* boot(log, { ...given, processId: "two" })
        const run = yield* on(two)(ended(id))
        assert.strictEqual(run.status, "succeeded")
        assert.deepStrictEqual(
          ["first", "second", "third"].map((step) => stepOf(run, step).attempt),
          [1, 3, 2]
        )
        assert.deepStrictEqual(stepOf(run, "third").result, { of: { attempt: 3 } })
        assert.lengthOf(yield* eventsOf(`run-${id}`, "RunRestored"), 1)
        assert.deepStrictEqual(
          (yield* two.steering!.checkpoints(id)).map(({ checkpoint, stepId }) => `${checkpoint} ${stepId}`),
          ["1 first", "4 second", "5 third"]
        )
        door.open()
        yield* soundHistory(true)
        yield* two.stop
      })
    )
  })

  it.live("F45: a pause of a run and of a workflow holds in the next process too", () => {
    const jobs = [defineJob({ slug: "first", run: async () => ({ result: { ran: true } }) })]
    const workflows = { w: { steps: [stepFor("first")] }, held: { steps: [stepFor("first")] } }
    return world((folder, log) =>
      Effect.gen(function* () {
        const given: Settings = { jobs, baseDir: folder, drainMs: 0 }
        const one = yield* boot(log, { ...given, processId: "one" })
        yield* on(one)(define(workflows))
        yield* one.steering!.pauseWorkflow("held", "not now")
        const { id } = yield* on(one)(start("held"))
        yield* one.steering!.pauseRun(id, "not this one either")
        yield* one.kill
        const two = yield* boot(log, { ...given, processId: "two" })
        assert.isTrue((yield* two.engine!.workflow("held")).paused)
        const other = yield* on(two)(start("held"))
        yield* two.steering!.resumeRun(id)
        yield* Effect.sleep("300 millis")
        for (const run of [id, other.id]) {
          assert.deepInclude(yield* two.engine!.run(run), { status: "pending", paused: false })
        }
        yield* two.steering!.resumeWorkflow("held")
        for (const run of [id, other.id]) assert.strictEqual((yield* on(two)(ended(run))).status, "succeeded")
        yield* soundHistory(true)
        yield* two.stop
      })
    )
  })
})
