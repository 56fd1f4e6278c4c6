import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { AssetReads } from "../../src/actors/AssetReads.ts"
import { Engine } from "../../src/actors/Engine.ts"
import { occurrenceKey } from "../../src/domain/Occurrences.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { defineJob } from "../../src/index.ts"
import { makes, readInput, stepFor } from "../support/chainApp.ts"
import { define, ended, eventsOf, play, type Settings, succeeded, temporaryFolder, until } from "../support/engine.ts"
import { boot, type Process } from "../recovery/process.ts"

const requested = (workflow: string, type: string) =>
  Effect.map(eventsOf("run", "RunRequested"), (events) =>
    events.filter((event) => event.workflow === workflow && (event.trigger as { readonly type: string }).type === type)
  )

const bases = {
  steps: [
    { ...stepFor("make-base"), produces: [{ assetId: "base", freshness: { ttlMs: 1_500 }, autoMaterialize: {} }] }
  ]
}
const everySecond = { cron: "* * * * * *" }

const on =
  ({ engine }: Process) =>
  <B, F, R>(effect: Effect.Effect<B, F, R>) => {
    assert(engine !== null, "the process died while it started")
    return Effect.provideService(effect, Engine, engine)
  }

describe("what is due by the clock", () => {
  it.live("F57 T18: an expiry whose process died before it was due fires once, in the next process", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const log = Context.get(yield* Layer.build(MemoryEventStore.layer), EventStore)
        const given: Settings = { baseDir: folder, jobs: [makes("base")] }
        yield* Effect.gen(function* () {
          const first = yield* boot(log, given)
          yield* on(first)(define({ bases }))
          yield* on(first)(succeeded("bases"))
          yield* first.kill
          yield* Effect.sleep("1700 millis")
          const second = yield* boot(log, given)
          const refresh = yield* until(
            requested("bases", "auto-materialize"),
            ({ length }) => length >= 1,
            "refresh after the restart"
          )
          yield* on(second)(ended(refresh[0]!.runId as string))
          const expired = yield* eventsOf("asset", "AssetExpired")
          assert.strictEqual(expired.filter(({ generation }) => generation === 1).length, 1)
          assert.strictEqual(
            (yield* requested("bases", "auto-materialize")).filter(
              ({ trigger }) =>
                (trigger as { readonly upstream: { readonly generation: number } }).upstream.generation === 1
            ).length,
            1
          )
          yield* second.stop
        }).pipe(Effect.provideService(EventStore, log))
      })
    )
  )

  it.live(
    "F38 F53: an update whose follower died before or after it told anybody starts one run",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const folder = yield* temporaryFolder
          const jobs = [makes("base"), makes("top", (ctx) => readInput(ctx, "base"))]
          const workflows = {
            plain: { steps: [stepFor("make-base", { produces: ["base"] })] },
            tops: {
              steps: [
                {
                  ...stepFor("make-top", { consumes: ["base"] }),
                  produces: [{ assetId: "top", autoMaterialize: { onUpstreamUpdate: true } }]
                }
              ]
            }
          }
          // The process dies at each of the appends that follow the production, one world for each.
          for (let death = 1; death <= 8; death++) {
            for (const when of ["before", "after"] as const) {
              const log = Context.get(yield* Layer.build(Layer.fresh(MemoryEventStore.layer)), EventStore)
              yield* Effect.gen(function* () {
                let armed = false
                let appends = 0
                const given: Settings = { baseDir: folder, jobs }
                const first = yield* boot(log, given, () => (armed && ++appends === death ? when : null))
                yield* on(first)(define(workflows))
                yield* on(first)(Engine.use((engine) => engine.startRun({ workflow: "plain" })))
                yield* until(eventsOf("asset", "AssetProduced"), ({ length }) => length === 1, "production")
                armed = true
                yield* Effect.raceFirst(first.died, Effect.sleep("300 millis"))
                yield* first.kill
                const second = yield* boot(log, given)
                const runs = yield* until(requested("tops", "auto-materialize"), ({ length }) => length >= 1, "run")
                const run = yield* on(second)(ended(runs[0]!.runId as string))
                assert.strictEqual(run.status, "succeeded")
                yield* Effect.sleep("50 millis")
                assert.strictEqual((yield* requested("tops", "auto-materialize")).length, 1, `${when} append ${death}`)
                yield* second.stop
              }).pipe(Effect.provideService(EventStore, log))
            }
          }
        })
      ),
    60_000
  )

  it.live("F57: a schedule starts each occurrence once, by a run that says which", () =>
    play(
      {
        jobs: [makes("base")],
        workflows: { ticks: { schedule: everySecond, steps: [stepFor("make-base")] } },
        ends: false
      },
      () =>
        Effect.gen(function* () {
          const runs = yield* until(requested("ticks", "schedule"), ({ length }) => length >= 2, "two occurrences")
          const [one, two] = runs.map(({ trigger }) =>
            Date.parse((trigger as { readonly occurrence: string }).occurrence)
          )
          assert.strictEqual(one! % 1_000, 0)
          assert.strictEqual(two! - one!, 1_000)
          assert.isAtLeast(runs[0]!.recordedAt, one!)
          assert.include(runs[0]!.runKey, "ticks@")
        })
    )
  )

  it.live("F57: a schedule whose runs are refused says so, and needs a human until one of them starts", () => {
    const hang = defineJob({ slug: "hang", run: () => new Promise<never>(() => {}) })
    const taken = { schedule: { cron: "0 0 1 1 *" }, steps: [{ id: "wait", jobSlug: "hang" }] }
    return play({ jobs: [hang], workflows: { ticks: taken }, ends: false }, () =>
      Effect.gen(function* () {
        const runs = yield* Engine
        // Somebody has the run keys of the occurrences to come.
        const from = Math.ceil(Date.now() / 1_000) * 1_000
        for (let nth = 0; nth < 6; nth++) {
          yield* runs.startRun({ workflow: "ticks", runKey: occurrenceKey("ticks", from + nth * 1_000) })
        }
        yield* runs.define("ticks", { ...taken, schedule: everySecond }, "app")
        const items = (type: string) => eventsOf("attention", type)
        const [item] = yield* until(items("AttentionRaised"), ({ length }) => length > 0, "an item")
        assert.deepInclude(item, { id: "schedule:ticks", kind: "schedule", reasonCode: "schedule_refused" })
        assert.match(String(item!.message), /has its run key ticks@/)
        const reads = yield* AssetReads
        const schedule = yield* reads.schedule("ticks")
        assert.strictEqual(schedule?.cron, everySecond.cron)
        assert.deepInclude(schedule?.decisions[0], { decision: "refused" })
        assert.include(schedule?.decisions[0]?.why ?? "", "has its run key")
        yield* until(items("AttentionSettled"), ({ length }) => length === 1, "a run that starts")
        yield* until(reads.schedule("ticks"), (now) => now?.decisions.length === 0, "a schedule that starts runs")
        assert.deepStrictEqual([...new Set((yield* items("AttentionRaised")).map(({ id }) => id))], ["schedule:ticks"])
      })
    )
  })

  it.live("two schedulers that compete for one log start each occurrence once", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const log = Context.get(yield* Layer.build(MemoryEventStore.layer), EventStore)
        const given: Settings = { baseDir: folder, jobs: [makes("base")] }
        yield* Effect.gen(function* () {
          const first = yield* boot(log, given)
          yield* on(first)(define({ ticks: { schedule: everySecond, steps: [stepFor("make-base")] } }))
          const second = yield* boot(log, given)
          const runs = yield* until(requested("ticks", "schedule"), ({ length }) => length >= 3, "three occurrences")
          const occurrences = runs.map(({ trigger }) => (trigger as { readonly occurrence: string }).occurrence)
          assert.strictEqual(new Set(occurrences).size, occurrences.length)
          assert.strictEqual(new Set(runs.map(({ runId }) => runId)).size, runs.length)
          yield* first.stop
          yield* second.stop
        }).pipe(Effect.provideService(EventStore, log))
      })
    )
  )

  it.live("a schedule that its newest definition no longer has starts nothing more", () =>
    play(
      {
        jobs: [makes("base")],
        workflows: { ticks: { schedule: everySecond, steps: [stepFor("make-base")] } },
        ends: false
      },
      () =>
        Effect.gen(function* () {
          yield* until(requested("ticks", "schedule"), ({ length }) => length >= 1, "first occurrence")
          yield* define({ ticks: { steps: [stepFor("make-base")] } })
          yield* until(eventsOf("schedule", "ScheduleSet"), ({ length }) => length === 2, "end of the schedule")
          const { length } = yield* requested("ticks", "schedule")
          yield* Effect.sleep("1500 millis")
          assert.isAtMost((yield* requested("ticks", "schedule")).length, length + 1)
        })
    )
  )
})
