import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import { makeChain } from "../support/chainApp.ts"
import { ended, layerMemory, start, temporaryFolder } from "../support/engine.ts"

const typesOf = Effect.fnUntraced(function* (category: string) {
  const log = yield* EventStore
  const { events } = yield* log.readAll({ after: null, limit: 100_000, category })
  return events.map(({ type }) => type)
})

const withChain = <A, E>(
  body: (chain: ReturnType<typeof makeChain>, folder: string) => Effect.Effect<A, E, Engine | EventStore>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const chain = makeChain()
      const defined = Effect.gen(function* () {
        const engine = yield* Engine
        for (const [slug, workflow] of Object.entries(chain.workflows)) yield* engine.define(slug, workflow, "app")
        return yield* body(chain, folder)
      })
      return yield* Effect.provide(defined, layerMemory({ jobs: chain.jobs, baseDir: folder }))
    })
  )

describe("a lost file heals itself", () => {
  it.live("F88: a deleted input is made again by its producer, and the step goes on where it stood", () =>
    withChain((chain, folder) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* ended((yield* start("acquisition", "p1")).id)).status, "succeeded")
        rmSync(join(folder, "inbox", "raw_p1.csv"))
        const run = yield* ended((yield* start("ingest", "p1")).id)
        assert.strictEqual(run.status, "succeeded", JSON.stringify(run, null, 1))
        assert.deepStrictEqual(chain.calls, ["acquire[p1]", "acquire[p1]", "clean[p1]", "load[p1]"])
        assert.deepStrictEqual(yield* typesOf("recovery"), [
          "RecoveryRequested",
          "RecoveryWaiterJoined",
          "RecoveryPlanned",
          "RecoveryScheduled",
          "RecoveryAttemptStarted",
          "RecoveryProducerEnded",
          "RecoverySucceeded",
          "RecoveryWaitersReleased"
        ])
      })
    )
  )

  it.live(
    "F92 T28: a depth-4 chain with everything but the source gone heals with each producer run exactly once",
    () =>
      withChain((chain, folder) =>
        Effect.gen(function* () {
          for (const workflow of ["acquisition", "ingest", "publish"]) {
            assert.strictEqual((yield* ended((yield* start(workflow, "p1")).id)).status, "succeeded")
          }
          chain.calls.length = 0
          for (const file of ["inbox/raw_p1.csv", "lake/cleaned/p1.txt", "lake/table/p1.txt", "lake/figure/p1.txt"]) {
            rmSync(join(folder, file))
          }
          const run = yield* ended((yield* start("publish", "p1")).id)
          assert.strictEqual(run.status, "succeeded", JSON.stringify(run, null, 1))
          assert.deepStrictEqual(chain.calls, ["acquire[p1]", "clean[p1]", "load[p1]", "plot[p1]"])
        })
      )
  )
})
