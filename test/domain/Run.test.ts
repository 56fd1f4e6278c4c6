import { assert, describe, it } from "@effect/vitest"
import type { Unstamped } from "../../src/domain/run/RunCommands.ts"
import type { Event } from "../../src/domain/run/RunEvents.ts"
import { step } from "../../src/domain/run/RunState.ts"
import {
  badly,
  begin,
  block,
  chain,
  end,
  failed,
  fold,
  generation,
  healing,
  interrupt,
  locate,
  missing,
  now,
  pair,
  part,
  permanent,
  produced,
  recorded,
  recovered,
  requested,
  run,
  runCanceled,
  runFailed,
  runSucceeded,
  settle,
  started,
  succeeded,
  suspended,
  tried,
  well,
  withSlot,
  workflow
} from "./RunScenario.ts"

const start: Unstamped = {
  _tag: "Start",
  runId: "run-1",
  workflow: "orders",
  version: 1,
  definition: chain,
  parameters: {},
  trigger: { type: "manual" }
}

describe("Run: start", () => {
  it("is requested once; starting it again changes nothing", () => {
    run().when(now(start)).then(requested(chain))
    run(requested(chain)).when(now(start)).then()
    // Not even a step that could begin: it would bear the command of the first start once more.
    run(requested(chain)).when(withSlot(start)).then()
  })

  it("begins its first step in the same decision when a slot is on offer", () => {
    run().when(withSlot(start)).then(requested(chain), started("load"))
  })

  it("leaves a first step that consumes something, or has a workflow-wide limit, to be ensured first (F6)", () => {
    const consuming = workflow([{ id: "load", consumes: [{ assetId: "orders.csv" }] }])
    run()
      .when(withSlot({ ...start, definition: consuming }))
      .then(requested(consuming))
    const limited = workflow([{ id: "load" }], { concurrency: 1 })
    run()
      .when(withSlot({ ...start, definition: limited }))
      .then(requested(limited))
  })

  it("keeps partition, run key and priority, and leaves out what was not given", () => {
    run()
      .when(now({ ...start, partitionKey: "2024-01", runKey: undefined, priority: 5 }))
      .then(requested(chain, { partitionKey: "2024-01", priority: 5 }))
  })

  it("of a recovery executes the named steps and skips the others with their recorded results (F24)", () => {
    const trigger = { type: "recovery", recoveryId: "r1", assetId: "report", partitionKey: "" } as const
    run()
      .when(now({ ...start, trigger, only: ["report"], results: { load: { rows: 3 } } }))
      .then(requested(chain, { trigger, only: ["report"] }), {
        _tag: "StepSkipped",
        stepId: "load",
        reason: "not needed",
        result: { rows: 3 },
        at: 0
      })
  })

  it("without a request every command is refused, but a look is not", () => {
    for (const command of [begin("load"), end("load", well), settle("load"), { _tag: "Tick" } as const]) {
      run().when(now(command)).thenRejected("UnknownRun")
    }
    for (const command of [{ _tag: "Cancel", reason: "" } as const, { _tag: "Recover" } as const, interrupt()]) {
      run().when(now(command)).thenRejected("UnknownRun")
    }
    run()
      .when(now({ _tag: "Read" }))
      .then()
  })

  it("a look changes nothing, even with a slot on offer", () => {
    run(requested(chain))
      .when(withSlot({ _tag: "Read" }))
      .then()
  })
})

describe("Run: steps begin", () => {
  it("when all that they depend on has finished, once", () => {
    run(requested(chain))
      .when(now(begin("load")))
      .then(started("load"))
    run(requested(chain))
      .when(now(begin("report")))
      .then()
    run(requested(chain), started("load"))
      .when(now(begin("load")))
      .then()
    run(requested(chain), started("load"), succeeded("load"))
      .when(now(begin("report")))
      .then(started("report"))
  })

  it("not before what they depend on is recorded by its assets (F9)", () => {
    run(requested(chain), started("load"), produced("load"))
      .when(now(begin("report")))
      .then()
  })

  it("not when the run has ended or another step has failed for good", () => {
    run(requested(pair), runCanceled)
      .when(now(begin("left")))
      .then()
    const history = [requested(pair), started("left"), started("right"), failed("left", permanent, true)]
    run(requested(pair), started("left"), failed("left", permanent, true))
      .when(now(begin("right")))
      .then(runFailed("left", permanent))
    assert.deepStrictEqual(step(fold(...history), "right").status, "executing")
    run(...history)
      .when(now(begin("right")))
      .then()
  })

  it("and record the generations that they use (F9)", () => {
    run(requested(chain))
      .when(now({ _tag: "BeginStep", stepId: "load", inputs: [generation] }))
      .then({ _tag: "StepStarted", stepId: "load", attempt: 1, inputs: [generation], at: 0 })
  })

  it("the next one, with the slot that the last one leaves", () => {
    run(requested(chain), started("load"))
      .when(withSlot(end("load", well)))
      .then(succeeded("load"), started("report"))
  })

  it("a step that does not exist is nothing to begin, end or wait for", () => {
    for (const command of [begin("x"), end("x", well), settle("x"), locate("x", healing()), block("x", healing())]) {
      run(requested(chain)).when(now(command)).then()
    }
  })
})

describe("Run: steps end", () => {
  it("well: the last one ends the run", () => {
    run(requested(chain), started("load"))
      .when(now(end("load", well)))
      .then(succeeded("load"))
    run(requested(chain), started("load"), succeeded("load"), started("report"))
      .when(now(end("report", well)))
      .then(succeeded("report"), runSucceeded)
  })

  it("well with a result, its reads and what belongs to no asset", () => {
    const reads = [{ store: "inbox", key: "a.csv" }]
    run(requested(chain), started("load"))
      .when(now(end("load", { ok: true, result: { rows: 3 }, produced: [], reads, unowned: ["inbox/b"] })))
      .then({ ...succeeded("load"), result: { rows: 3 }, reads, unowned: ["inbox/b"] } as Event)
  })

  it("well with assets only when each Asset has recorded its production; once", () => {
    const one = workflow([{ id: "load" }])
    const outcome = { ok: true, produced: [part], reads: [], unowned: [] } as const
    run(requested(one), started("load"))
      .when(now(end("load", outcome)))
      .then(produced("load"))
    const record: Unstamped = { _tag: "RecordOutputs", stepId: "load", attempt: 1, generations: [generation] }
    run(requested(one), started("load"), produced("load")).when(now(record)).then(recorded("load"), runSucceeded)
    run(requested(one), started("load"), produced("load"), recorded("load"), runSucceeded).when(now(record)).then()
    run(requested(one), started("load")).when(now(record)).then()
    run(requested(one), started("load"), produced("load"))
      .when(now({ ...record, attempt: 2 }))
      .then()
  })

  it("twice is once: a late or repeated result changes nothing (F38)", () => {
    run(requested(chain), started("load"), succeeded("load"))
      .when(now(end("load", well)))
      .then()
    run(requested(chain), started("load", 1), started("load", 2))
      .when(now(end("load", well, 1)))
      .then()
    run(requested(chain), started("load"), runCanceled)
      .when(now(end("load", well)))
      .then()
    run(requested(chain))
      .when(now(end("load", well)))
      .then()
  })

  it("a failed step produces nothing (F67, T22)", () => {
    const state = fold(requested(chain), started("load"), failed("load", permanent, true))
    assert.deepStrictEqual(step(state, "load").produced, [])
    run(requested(chain), started("load"))
      .when(now(end("load", badly(permanent))))
      .then(failed("load", permanent, true), runFailed("load", permanent))
  })

  it("a permanent failure is final at once, and is the run's own (F50, T12)", () => {
    run(requested(tried(4)), started("load"))
      .when(now(end("load", badly(permanent))))
      .then(failed("load", permanent, true), runFailed("load", permanent))
  })

  it("the run fails with its first failure, when its last executing step has ended (F50, T12, T13)", () => {
    const other = { ...permanent, message: "the second" }
    const history = [requested(pair), started("left"), started("right"), failed("left", permanent, true)]
    run(...history.slice(0, 3))
      .when(now(end("left", badly(permanent))))
      .then(failed("left", permanent, true))
    run(...history)
      .when(now(end("right", badly(other))))
      .then(failed("right", other, true), runFailed("left", permanent))
    run(...history)
      .when(now(end("right", well)))
      .then(succeeded("right"), runFailed("left", permanent))
  })

  it("a failed run records what a sibling produced before it ends (F9)", () => {
    const history = [requested(pair), started("left"), started("right"), failed("left", permanent, true)]
    const record: Unstamped = { _tag: "RecordOutputs", stepId: "right", attempt: 1, generations: [generation] }
    run(...history)
      .when(now(end("right", { ...well, produced: [part] } as never)))
      .then(produced("right"))
    run(...history, produced("right"))
      .when(now(record))
      .then(recorded("right"), runFailed("left", permanent))
  })

  it("an optional step that fails fails the run like any other", () => {
    const optional = workflow([{ id: "load", optional: true }])
    run(requested(optional), started("load"))
      .when(now(end("load", badly(permanent))))
      .then(failed("load", permanent, true), runFailed("load", permanent))
  })
})

describe("Run: cancel and recover", () => {
  it("a run that goes on can be canceled, once; its steps end as canceled", () => {
    const cancel = now({ _tag: "Cancel", reason: "not needed any more" })
    run(requested(chain), started("load")).when(cancel).then(runCanceled)
    run(requested(chain), runCanceled).when(cancel).thenRejected("IllegalTransition")
    run(requested(chain), runSucceeded).when(cancel).thenRejected("IllegalTransition")
    const state = fold(requested(chain), started("load"), runCanceled)
    assert.deepStrictEqual([step(state, "load").status, step(state, "report").status], ["canceled", "canceled"])
  })

  it("a canceled run still records what was produced: the bytes are there (F9)", () => {
    const history = [requested(chain), started("load"), produced("load"), runCanceled]
    run(...history)
      .when(now({ _tag: "RecordOutputs", stepId: "load", attempt: 1, generations: [generation] }))
      .then(recorded("load"))
    run(...history, recorded("load"))
      .when(withSlot(begin("report")))
      .then()
  })

  it("recover goes on in place: finished steps are kept, the others get a fresh budget (F44)", () => {
    const history = [
      requested(chain),
      started("load"),
      succeeded("load"),
      started("report"),
      failed("report", permanent, true),
      runFailed("report", permanent)
    ]
    run(...history)
      .when(now({ _tag: "Recover" }))
      .then(recovered(["load"], ["report"]))
    run(...history)
      .when(withSlot({ _tag: "Recover" }))
      .then(recovered(["load"], ["report"]), started("report", 2))
    const state = fold(...history, recovered(["load"], ["report"]))
    assert.strictEqual(state.failure, undefined)
    assert.strictEqual(state.finishedAt, undefined)
    assert.strictEqual(state.ended, null)
    const { attempt, reopen, retries, status } = step(state, "report")
    assert.deepStrictEqual(
      { attempt, reopen, retries, status },
      { attempt: 1, reopen: true, retries: 0, status: "pending" }
    )
  })

  it("only a failed run can be recovered", () => {
    for (const history of [[], [started("load")], [runCanceled], [runSucceeded]]) {
      run(requested(chain), ...history)
        .when(now({ _tag: "Recover" }))
        .thenRejected("IllegalTransition")
    }
    const again = [requested(chain), started("load"), failed("load", permanent, true), runFailed("load", permanent)]
    run(...again, recovered([], ["load", "report"]))
      .when(now({ _tag: "Recover" }))
      .thenRejected("IllegalTransition")
  })

  it("an ended run takes no result, verdict, settlement or timer", () => {
    const commands = [
      end("load", well),
      locate("load", healing()),
      block("load", healing()),
      settle("load"),
      begin("load"),
      { _tag: "Tick" } as const,
      { _tag: "ReleaseStore", store: "warehouse" } as const,
      { _tag: "Recheck", waitsOn: "recovery-r1" } as const
    ]
    const lives = [[started("load")], [started("load"), failed("load", missing, false), suspended("load", healing())]]
    for (const life of lives) {
      for (const ending of [runCanceled, runFailed("load", permanent)]) {
        for (const command of commands)
          run(requested(chain), ...life, ending)
            .when(withSlot(command))
            .then()
      }
    }
  })
})

describe("Run: its outcome", () => {
  const trigger = { type: "recovery", recoveryId: "r1", assetId: "orders.raw", partitionKey: "" } as const
  const confirm = now({ _tag: "ConfirmDelivery", to: "recovery" })
  const delivered: Event = { _tag: "RunOutcomeDelivered", to: "recovery", at: 0 }
  const history = [
    requested(chain, { trigger }),
    started("load"),
    failed("load", permanent, true),
    runFailed("load", permanent)
  ]

  it("is delivered once (F28, T1)", () => {
    run(...history)
      .when(confirm)
      .then(delivered)
    run(...history, delivered)
      .when(confirm)
      .then()
  })

  it("of a run that was recovered meanwhile is another one, still to be delivered", () => {
    const rerun = [...history, recovered([], ["load", "report"])]
    run(...rerun)
      .when(confirm)
      .then()
    run(...history, delivered, recovered([], ["load", "report"]), started("load", 2), runCanceled)
      .when(confirm)
      .then(delivered)
  })
})
