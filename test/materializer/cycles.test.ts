import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { UpdateLoops } from "../../src/actors/UpdateLoops.ts"
import { parseDefinition } from "../../src/domain/Definition.ts"
import { makes, stepFor } from "../support/chainApp.ts"
import { ended, eventsOf, play, settings, succeeded, until } from "../support/engine.ts"

const jobs = [makes("report"), makes("archive"), makes("other")]
const others = { steps: [stepFor("make-other", { produces: ["other"] })] }
const workflow = (from: string, to: string, autoMaterialize: object, updateOn = "produced") => ({
  steps: [
    {
      ...stepFor(`make-${to}`),
      consumes: [{ assetId: from, updateOn }],
      produces: [{ assetId: to, autoMaterialize: { onUpstreamUpdate: true, ...autoMaterialize } }]
    }
  ]
})
const reports = (policy: object = {}) => workflow("archive", "report", policy)
const archives = (policy: object = {}) => workflow("report", "archive", policy)

/** The faults for which a definition is refused; none when it is taken. */
const refusal = (slug: string, definition: object) =>
  Effect.gen(function* () {
    const runs = yield* Engine
    const result = yield* Effect.result(runs.define(slug, definition, "http"))
    if (Result.isSuccess(result)) return []
    assert(result.failure._tag === "InvalidInput")
    return result.failure.problems
  })

describe("rounds of updates", () => {
  it.live("F21 T31: report and archive that update each other are refused, and the round is named", () =>
    play({ jobs, workflows: { others, reports: reports() } }, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* refusal("archives", archives()), [
          {
            path: "steps[0].produces[0].autoMaterialize.onUpstreamUpdate",
            message:
              'would make updates go round for ever: reports –[report]→ archives –[archive]→ reports; "allowCycle": true in an autoMaterialize of these workflows accepts that, at most one round a cool-down'
          }
        ])
        const runs = yield* Engine
        assert.deepStrictEqual(
          (yield* runs.workflows).map(({ slug }) => slug),
          ["others", "reports"]
        )
        for (const accepted of [
          archives({ onUpstreamUpdate: false }),
          archives({ enabled: false }),
          workflow("report", "archive", {}, "expired"),
          archives({ allowCycle: true })
        ]) {
          assert.deepStrictEqual(yield* refusal("archives", accepted), [])
        }
        // What was allowed by the other alone is a round again once that no longer allows it.
        assert.lengthOf(yield* refusal("archives", archives()), 1)
        yield* succeeded("others")
      })
    )
  )

  it.live("F21: two definitions that close a round between them are not both taken, however they compete", () =>
    play({ jobs, workflows: { others } }, () =>
      Effect.gen(function* () {
        const found = yield* Effect.all([refusal("reports", reports()), refusal("archives", archives())], {
          concurrency: 2
        })
        assert.deepStrictEqual(found.map(({ length }) => length).sort(), [0, 1])
        yield* succeeded("others")
      })
    )
  )

  it.live("F21: an app's workflows are judged together: one may break up what another would close", () =>
    play({ jobs, workflows: { others, reports: reports() } }, () =>
      Effect.gen(function* () {
        const runs = yield* Engine
        const loops = yield* UpdateLoops
        const next = { archives: archives(), reports: reports({ onUpstreamUpdate: false }) }
        loops.announce(Object.entries(next).map(([slug, source]) => Result.getOrThrow(parseDefinition(source, slug))))
        for (const [slug, source] of Object.entries(next)) yield* runs.define(slug, source, "app")
        assert.lengthOf(yield* runs.workflows, 3)
        yield* succeeded("others")
      })
    )
  )

  it.live(
    "T31: with allowCycle the round is damped: its first input may be absent, and it goes on once a cool-down",
    () => {
      const baseBackoffMs = 400
      const materializer = { ...settings({ jobs, baseDir: "" }).materializer, baseBackoffMs }
      const workflows = { reports: reports({ allowCycle: true }), archives: archives() }
      return play({ jobs: growing(), workflows, settings: { materializer }, ends: false }, () =>
        Effect.gen(function* () {
          const first = yield* succeeded("reports")
          assert.deepStrictEqual(first.steps[0]!.producedAssets.length, 1, "the archive did not exist yet")
          const rounds = () => Effect.map(eventsOf("run", "RunRequested"), (runs) => runs.length)
          yield* until(rounds(), (count) => count >= 4, "rounds that go on")
          const requested = yield* eventsOf("run", "RunRequested")
          const started = requested.filter((run) => run.workflow === "archives").map(({ recordedAt }) => recordedAt)
          for (const [index, at] of started.entries()) {
            if (index > 0) assert.isAtLeast(at - started[index - 1]!, baseBackoffMs - 50)
          }
          for (const { runId } of requested.slice(0, 3))
            assert.strictEqual((yield* ended(runId as string)).status, "succeeded")
        })
      )
    }
  )
})

/** Each production is news. */
const growing = () => {
  let count = 0
  return [makes("report", () => `report ${++count}`), makes("archive", () => `archive ${++count}`)]
}
