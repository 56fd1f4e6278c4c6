import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { hasFailed, readySteps, stepsIn, unblockedSteps } from "../../src/domain/run/RunState.ts"
import { statusOf } from "../../src/domain/run/RunView.ts"
import type { Stored } from "../../src/domain/run/RunEvents.ts"
import * as RunFold from "../../src/projections/RunFold.ts"
import { diamond, fanned, RunHistory, Tape } from "./history.ts"

const graphOf = ({ steps }: typeof diamond): RunFold.Graph => steps.map(({ dependsOn, id }) => ({ id, dependsOn }))
const graph = graphOf(diamond)

describe("RunFold", () => {
  it.each([
    ["a run", diamond],
    ["a run with a fan-out, whose children count as steps,", fanned]
  ] as const)("agrees with %s itself on status and queue, after every event that a run can write", (_, definition) => {
    const graph = graphOf(definition)
    const seen = new Set<string>()
    fc.assert(
      fc.property(fc.array(fc.nat(10_000), { minLength: 20, maxLength: 120 }), (numbers) => {
        const run = new RunHistory("r", new Tape(numbers), 1_000, definition)
        let row: RunFold.Row | undefined
        for (let command = 0; command < 150; command++) {
          for (const { at, data, type } of run.next()) {
            seen.add(type)
            if (row === undefined) {
              row = RunFold.requested({ _tag: "RunRequested", ...(data as object) } as never, graph, at)
            } else {
              assert.isTrue(RunFold.apply(row, { type, at, data: <A>() => data as A }))
            }
          }
          if (row === undefined) continue
          const { state } = run
          assert.strictEqual(RunFold.statusOf(row), statusOf(state))
          assert.strictEqual(row.ended, state.ended)
          assert.strictEqual(row.startedAt, state.startedAt ?? null)
          assert.strictEqual(row.failure?.code, state.failure?.code)
          if (state.ended !== null) continue
          const counts = RunFold.countsOf(row, graph)
          const { paused, ...running } = state
          // A fan-out is expanded as soon as it may be: only a pause leaves it ready.
          const begins = hasFailed(state) ? [] : unblockedSteps(state)
          const fanOuts = begins.filter(({ type }) => type === "fanOut").length
          assert.strictEqual(row.paused, paused !== undefined)
          assert.strictEqual(counts.waiting, readySteps(state).length)
          assert.strictEqual(counts.held, paused === undefined ? 0 : readySteps(running).length + fanOuts)
          assert.strictEqual(counts.active, stepsIn(state, "executing", "recording").length)
          assert.strictEqual(counts.retry, stepsIn(state, "retrying").length)
          assert.strictEqual(
            counts.recovery + counts.store + counts.input,
            stepsIn(state, "waiting", "locating").length
          )
        }
      }),
      // A seed with which all of the types below occur: of a run with a fan-out few histories end well.
      { numRuns: 200, seed: 4 }
    )
    // The property says something about the interesting ones only if they occurred.
    const expected: ReadonlyArray<Stored["_tag"]> = [
      ...(["StepOutputsRecorded", "StepRetryScheduled", "StepSuspended", "StepResumed", "RunSucceeded"] as const),
      ...(["RunFailed", "RunCanceled", "RunInterrupted", "RunRecovered"] as const)
    ]
    assert.includeMembers([...seen], [...expected])
  })

  it("knows since when a step could have begun", () => {
    const row = RunFold.requested(
      { _tag: "RunRequested", runId: "r", workflow: "w", version: 1 } as never,
      graph,
      1_000
    )
    assert.deepInclude(RunFold.countsOf(row, graph), { waiting: 1, waitingSince: 1_000 })
    const apply = (type: string, data: object, at: number) => RunFold.apply(row, { type, at, data: <A>() => data as A })
    apply("StepStarted", { stepId: "a", attempt: 1 }, 2_000)
    assert.deepInclude(RunFold.countsOf(row, graph), { waiting: 0, waitingSince: null, active: 1 })
    apply("StepSucceeded", { stepId: "a", attempt: 1 }, 3_000)
    assert.deepInclude(RunFold.countsOf(row, graph), { waiting: 2, waitingSince: 3_000, active: 0 })
  })

  it("refuses a type that no run has", () => {
    const row = RunFold.requested(
      { _tag: "RunRequested", runId: "r", workflow: "w", version: 1 } as never,
      graph,
      1_000
    )
    assert.isFalse(RunFold.apply(row, { type: "RunTeleported", at: 1, data: <A>() => ({}) as A }))
    assert.isFalse(RunFold.isKnown("RunTeleported"))
  })
})
