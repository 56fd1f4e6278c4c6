import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { defineJob, TransientFailure } from "../../src/index.ts"
import { keyOf, makes, stepFor, uses } from "../support/chainApp.ts"
import { eventsOf, history, ran, recoveries, stepOf, succeeded } from "../support/engine.ts"
import { playPg, realStores } from "../support/pgEngine.ts"
import { TestServer } from "../support/postgres.ts"

const bases = { steps: [stepFor("make-base", { produces: ["base"] })] }
const users = {
  steps: [stepFor("prepare"), { ...stepFor("use-base", { consumes: ["base"] }), dependsOn: ["prepare"] }]
}
const prepare = defineJob({ slug: "prepare", run: async () => ({ result: { ready: true } }) })
const fails = defineJob({
  slug: "use-base",
  run: async () => {
    throw new TransientFailure("the file is not there")
  }
})

/** What a run wrote, apart from what names it or the failure: events in order, steps, attempts, retries and delays. */
const shape = (runId: string) =>
  Effect.map(history, (events) =>
    events
      .filter(({ streamName }) => streamName === `run-${runId}`)
      .map(({ payload, type }) => {
        const { attempt, delayMs, final, retry, stepId } = JSON.parse(payload) as Record<string, unknown>
        return { type, attempt, delayMs, final, retry, stepId }
      })
  )

layer(TestServer.layer, { excludeTestServices: true })("recovery switched off, on real Postgres", (it) => {
  for (const [kind, open] of Object.entries(realStores)) {
    it.effect(`F40 F95: with ${kind} a lost input and an outage repeat the events of a transient failure`, () =>
      Effect.gen(function* () {
        const { lose, outage, stores } = yield* open
        const settings = { stores, timestoreStore: undefined }
        const plain = yield* playPg(
          {
            jobs: [makes("base"), prepare, fails],
            workflows: { bases, users },
            settings: { ...settings, recovery: false }
          },
          () => Effect.flatMap(Effect.andThen(succeeded("bases"), ran("users")), ({ id }) => shape(id))
        )
        assert.deepStrictEqual(
          plain.map(({ type }) => type),
          [
            ...["RunRequested", "StepStarted", "StepSucceeded", "StepStarted", "StepFailed", "StepRetryScheduled"],
            ...["StepStarted", "StepFailed", "StepRetryScheduled", "StepStarted", "StepFailed", "RunFailed"]
          ]
        )
        const switches = {
          environment: { settings: { ...settings, recovery: false }, workflows: { bases, users } },
          workflow: { settings, workflows: { bases, users: { ...users, recovery: { enabled: false } } } }
        }
        for (const [level, scenario] of Object.entries(switches)) {
          yield* playPg({ jobs: [makes("base"), prepare, uses("base")], ...scenario }, (folder) =>
            Effect.gen(function* () {
              yield* succeeded("bases")
              yield* lose(folder, "lake", keyOf("base"))
              const run = yield* ran("users")
              assert.deepStrictEqual(yield* shape(run.id), plain, level)
              assert.strictEqual(run.failure?.class, "asset_missing", "the class keeps its name")
              assert.strictEqual(stepOf(run, "use-base").attempt, 3)
              assert.deepStrictEqual(yield* recoveries, [])
              assert.deepStrictEqual(yield* eventsOf("asset", "AssetMissingDetected"), [])
            })
          )
        }
        yield* playPg({ jobs: [makes("base"), prepare, uses("base")], ...switches.environment }, (folder) =>
          Effect.gen(function* () {
            yield* succeeded("bases")
            yield* outage(folder)
            const run = yield* ran("users")
            assert.deepStrictEqual(yield* shape(run.id), plain, "outage")
            assert.strictEqual(run.failure?.class, "store_unavailable")
          })
        )
      }).pipe(Effect.scoped)
    )
  }
})
