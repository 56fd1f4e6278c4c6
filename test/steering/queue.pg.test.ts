import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { RunSteering } from "../../src/actors/RunSteering.ts"
import { defineJob } from "../../src/index.ts"
import * as QueueHealth from "../../src/projections/QueueHealth.ts"
import * as RunListQuery from "../../src/projections/RunListQuery.ts"
import { stepFor } from "../support/chainApp.ts"
import { ended, start, until } from "../support/engine.ts"
import { playPg } from "../support/pgEngine.ts"
import { TestServer } from "../support/postgres.ts"

const work = defineJob({ slug: "work", run: async () => ({ result: { done: true } }) })
const workflows = { w: { steps: [stepFor("work")] }, v: { steps: [stepFor("work")] } }

layer(TestServer.layer, { excludeTestServices: true })("lists and queue health on real Postgres", (it) => {
  it.effect(
    "F45: steps that are ready and held count as paused, by run or by workflow, and no more when it is resumed",
    () =>
      playPg({ jobs: [work], workflows }, () =>
        Effect.gen(function* () {
          const steering = yield* RunSteering
          const steps = Effect.map(QueueHealth.read({ name: "none", types: [] }), ({ byWorkflow }) =>
            Object.fromEntries(byWorkflow.map(({ counts, workflow }) => [workflow, [counts.waiting, counts.paused]]))
          )
          const counts = (expected: object) =>
            until(steps, (found) => JSON.stringify(found) === JSON.stringify(expected), JSON.stringify(expected))
          for (const slug of ["w", "v"]) yield* steering.pauseWorkflow(slug, "not now")
          const runs = [yield* start("w"), yield* start("w"), yield* start("v")]
          yield* counts({ v: [0, 1], w: [0, 2] })
          yield* steering.pauseRun(runs[0]!.id, "nor this one")
          yield* steering.resumeWorkflow("w")
          yield* ended(runs[1]!.id)
          yield* counts({ v: [0, 1], w: [0, 1] })
          const listed = yield* until(
            RunListQuery.list({ workflow: "w" }, {}),
            ({ data }) => data.some(({ paused }) => paused),
            "run that is paused"
          )
          assert.deepStrictEqual(
            listed.data.filter(({ paused }) => paused).map(({ id }) => id),
            [runs[0]!.id]
          )
          yield* steering.resumeWorkflow("v")
          yield* steering.resumeRun(runs[0]!.id)
          for (const { id } of runs) yield* ended(id)
          yield* counts({ v: [0, 0], w: [0, 0] })
        })
      ).pipe(Effect.scoped)
  )
})
