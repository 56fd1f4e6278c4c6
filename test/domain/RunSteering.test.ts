import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Unstamped } from "../../src/domain/run/RunCommands.ts"
import { decider } from "../../src/domain/run/RunDecide.ts"
import type { Event } from "../../src/domain/run/RunEvents.ts"
import { checkpoints } from "../../src/domain/run/RunSteering.ts"
import * as RunDemand from "../../src/domain/run/RunDemand.ts"
import { step } from "../../src/domain/run/RunState.ts"
import { view } from "../../src/domain/run/RunView.ts"
import {
  at,
  chain,
  end,
  failed,
  fold,
  healing,
  missing,
  now,
  pair,
  permanent,
  produced,
  recorded,
  requested,
  resumed,
  retryAt,
  run,
  runCanceled,
  runFailed,
  runSucceeded,
  started,
  succeeded,
  suspended,
  transient,
  well,
  withSlot,
  workflow
} from "./RunScenario.ts"

const retry = (stepId: string): Unstamped => ({ _tag: "RetryStep", stepId })
const skip = (stepId: string, more: { readonly force?: boolean; readonly result?: unknown } = {}): Unstamped => ({
  _tag: "SkipStep",
  stepId,
  reason: "not worth it",
  force: false,
  ...more
})
const restore = (checkpoint: number): Unstamped => ({ _tag: "Restore", checkpoint })
const pause: Unstamped = { _tag: "Pause", reason: "the supplier is down" }
const resume: Unstamped = { _tag: "Resume" }
const paused: Event = { _tag: "RunPaused", reason: "the supplier is down", at: 0 }
const skipped = (stepId: string, more: Partial<Extract<Event, { readonly _tag: "StepSkipped" }>> = {}): Event => ({
  _tag: "StepSkipped",
  stepId,
  reason: "not worth it",
  forced: false,
  at: 0,
  ...more
})
const reopened = (kept: ReadonlyArray<string>, rerun: ReadonlyArray<string>, fresh: ReadonlyArray<string>): Event => ({
  _tag: "RunRecovered",
  kept,
  rerun,
  fresh,
  at: 0
})
const restored = (
  checkpoint: number,
  kept: ReadonlyArray<string>,
  rerun: ReadonlyArray<string>,
  superseded: ReadonlyArray<{ readonly stepId: string; readonly attempt: number }> = []
): Event => ({ _tag: "RunRestored", checkpoint, kept, rerun, superseded, at: 0 })
const optional = workflow([
  { id: "load", optional: true },
  { id: "report", dependsOn: ["load"] }
])
const fan = workflow(
  [
    { id: "f", type: "fanOut", over: "{{ parameters.items }}", optional: true, step: { jobSlug: "job" } },
    { id: "last", dependsOn: ["f"] }
  ],
  {}
)
const expanded: Event = { _tag: "StepExpanded", stepId: "f", attempt: 1, items: ["x", "y"], at: 0 }
const fanned = [requested(fan, { parameters: { items: ["x", "y"] } }), expanded]
const loadFailed = [started("load"), failed("load", permanent, true), runFailed("load", permanent)]

describe("retry of one step", () => {
  it("F45: a failed step of a failed run goes on in place, and it alone has a fresh budget (F41)", () => {
    run(requested(chain), ...loadFailed)
      .when(now(retry("load")))
      .then(reopened([], ["load", "report"], ["load"]))
    const used = [started("load"), failed("load", transient, false), retryAt("load", 100)]
    const both = [...used, failed("right", permanent, true), failed("load", transient, true, 2)]
    const state = fold(
      requested(chain),
      ...both,
      runFailed("load", transient),
      reopened([], ["load", "right"], ["right"])
    )
    assert.strictEqual(step(state, "load").retries, 1, "its own budget is as far used up as it was")
    const fresh = fold(requested(chain), ...both, runFailed("load", transient), reopened([], ["load"], ["load"]))
    assert.strictEqual(step(fresh, "load").retries, 0)
    assert.strictEqual(fresh.ended, null)
  })

  it("a step that waits for its retry begins at once, with a fresh budget", () => {
    const waits = [requested(chain), started("load"), failed("load", transient, false), retryAt("load", 60_000)]
    const again: Event = { _tag: "StepResumed", stepId: "load", reason: "retried", fresh: true, at: 0 }
    run(...waits)
      .when(now(retry("load")))
      .then(again)
    const state = fold(...waits, again)
    assert.deepInclude(step(state, "load"), { status: "pending", retries: 0, attempt: 1 })
  })

  it("a fan-out's child goes on with its fan-out, and a fan-out with the children that have not finished", () => {
    const broken = [
      ...[...fanned, started("f[0]"), succeeded("f[0]"), started("f[1]"), failed("f[1]", permanent, true)],
      ...[failed("f", permanent, true), runFailed("f[1]", permanent)]
    ]
    const again: Event = { ...expanded, attempt: 2 }
    run(...broken)
      .when(now(retry("f[1]")))
      .then(reopened(["f[0]"], ["f", "last", "f[1]"], ["f", "f[1]"]), again)
    run(...broken)
      .when(now(retry("f")))
      .then(reopened(["f[0]"], ["f", "last", "f[1]"], ["f", "f[1]"]), again)
  })
})

describe("skip of a step", () => {
  it("F45: an optional step is skipped wherever it stands, and its result is what it is given", () => {
    const skips = (...history: ReadonlyArray<Event>) => {
      run(requested(optional), ...history)
        .when(now(skip("load", { result: { rows: 0 } })))
        .then(skipped("load", { result: { rows: 0 } }))
      const state = fold(requested(optional), ...history, skipped("load", { result: { rows: 0 } }))
      assert.deepInclude(step(state, "load"), { status: "skipped", result: { rows: 0 } })
      // What was executing is so no more: its late end says nothing.
      assert.deepStrictEqual(decider.decide(now(end("load", well)), state), Result.succeed([]))
    }
    const lost = [started("load"), failed("load", missing, false)]
    skips()
    skips(started("load"))
    skips(...lost)
    skips(...lost, suspended("load", healing()))
    skips(started("load"), failed("load", transient, false), retryAt("load", 100))
  })

  it("a step that is not optional is skipped by force only", () => {
    run(requested(chain))
      .when(now(skip("load")))
      .thenRejected("NotOptional")
    run(requested(chain))
      .when(now(skip("load", { force: true })))
      .then(skipped("load", { forced: true }))
  })

  it("the failed step of a failed run: the run goes on without it, and nobody's budget is renewed", () => {
    run(requested(optional), ...loadFailed)
      .when(now(skip("load")))
      .then(skipped("load"), reopened(["load"], ["report"], []))
  })

  it("as long as another step has failed, the run stays as it is", () => {
    const both = [started("left"), started("right"), failed("left", permanent, true), failed("right", permanent, true)]
    const history = [requested(pair), ...both, runFailed("left", permanent)]
    run(...history)
      .when(now(skip("left", { force: true })))
      .then(skipped("left", { forced: true }))
    run(...history, skipped("left", { forced: true }))
      .when(now(skip("right", { force: true })))
      .then(skipped("right", { forced: true }), reopened(["left", "right"], [], []), runSucceeded)
  })

  it("a fan-out's child: its fan-out goes on with the others, and nothing stands in its place", () => {
    const broken = [...fanned, started("f[0]"), succeeded("f[0]"), started("f[1]"), failed("f[1]", permanent, true)]
    const ended = [...broken, failed("f", permanent, true), runFailed("f[1]", permanent)]
    run(...ended)
      .when(now(skip("f[1]")))
      .then(
        skipped("f[1]"),
        reopened(["f[0]", "f[1]"], ["f", "last"], ["f"]),
        { ...expanded, attempt: 2 },
        { _tag: "StepSucceeded", stepId: "f", attempt: 2, result: [null, null], at: 0 }
      )
  })

  it("a fan-out: its children are skipped with it, but for what is being recorded", () => {
    const history = [...fanned, started("f[0]"), produced("f[0]"), started("f[1]")]
    run(...history)
      .when(now(skip("f")))
      .then(skipped("f", { children: true }))
    const state = fold(...history, skipped("f", { children: true }))
    assert.deepStrictEqual(
      ["f", "f[0]", "f[1]"].map((id) => step(state, id).status),
      ["skipped", "recording", "skipped"]
    )
  })
})

describe("restore to a checkpoint", () => {
  const done = [started("load"), succeeded("load"), started("report"), produced("report"), recorded("report")]

  it("F46: what had finished by then is kept, what came later is superseded and done again", () => {
    run(requested(chain), ...done, runSucceeded)
      .when(now(restore(1)))
      .then(restored(1, ["load"], ["report"], [{ stepId: "report", attempt: 1 }]))
    const state = fold(
      requested(chain),
      ...done,
      runSucceeded,
      restored(1, ["load"], ["report"], [{ stepId: "report", attempt: 1 }])
    )
    assert.deepInclude(state, { ended: null, delivered: [] })
    assert.deepInclude(step(state, "report"), { status: "pending", attempt: 1, superseded: 1 })
    // The next execution counts on: its production is not taken for the one before.
    run(requested(chain), ...done, runSucceeded, restored(1, ["load"], ["report"]))
      .when({ ...retryNow("report"), now: 0, slot: false })
      .then(started("report", 2))
  })

  it("every declared step that finishes makes one; after a restore the later ones are gone, and numbers are not given twice", () => {
    const of = (...history: ReadonlyArray<Event>) => [...checkpoints(fold(requested(chain), ...history))]
    assert.deepStrictEqual(of(started("load")), [])
    assert.deepStrictEqual(of(...done.slice(0, 4)), [[1, "load"]], "what is being recorded has not finished")
    assert.deepStrictEqual(of(...done), [
      [1, "load"],
      [2, "report"]
    ])
    const back = restored(1, ["load"], ["report"], [{ stepId: "report", attempt: 1 }])
    assert.deepStrictEqual(of(...done, back), [[1, "load"]])
    const again = [started("report", 2), succeeded("report", 2)]
    assert.deepStrictEqual(of(...done, back, ...again), [
      [1, "load"],
      [3, "report"]
    ])
    run(requested(chain), ...done, back, ...again)
      .when(now(restore(2)))
      .thenRejected("UnknownCheckpoint")
  })

  it("of a run that goes on, what is under way is cut off, and what is being recorded counts as done before", () => {
    run(requested(chain), ...done.slice(0, 4))
      .when(now(restore(1)))
      .then(restored(1, ["load"], ["report"], [{ stepId: "report", attempt: 1 }]))
    run(requested(chain), ...done.slice(0, 3))
      .when(now(restore(1)))
      .then(restored(1, ["load"], ["report"]))
  })

  it("a canceled or failed run goes on from there too, with fresh budgets", () => {
    run(requested(chain), ...done.slice(0, 3), runCanceled)
      .when(now(restore(1)))
      .then(restored(1, ["load"], ["report"]))
    const state = fold(requested(chain), ...done.slice(0, 3), runCanceled, restored(1, ["load"], ["report"]))
    assert.deepInclude(state, { ended: null })
    assert.notProperty(state, "cancelReason")
  })

  it("steps that the run was asked for without stay skipped, and are no checkpoint", () => {
    const without: Event = { _tag: "StepSkipped", stepId: "load", reason: "not needed", at: 0 }
    const history = [requested(chain, { only: ["report"] }), without, started("report"), succeeded("report")]
    assert.deepStrictEqual([...checkpoints(fold(...history)).values()], ["report"])
    run(...history, runSucceeded)
      .when(now(restore(2)))
      .thenRejected("UnknownCheckpoint")
  })

  it("children of a fan-out that had finished by the checkpoint are kept", () => {
    const graph = workflow([
      { id: "a" },
      { id: "f", type: "fanOut", over: "{{ parameters.items }}", step: { jobSlug: "job" } }
    ])
    const begun = [requested(graph, { parameters: { items: ["x", "y"] } }), expanded, started("a")]
    const history = [...begun, started("f[0]"), succeeded("f[0]"), succeeded("a"), started("f[1]"), succeeded("f[1]")]
    run(...history, { _tag: "StepSucceeded", stepId: "f", attempt: 1, result: [null, null], at: 0 }, runSucceeded)
      .when(now(restore(1)))
      .then(restored(1, ["a", "f[0]"], ["f", "f[1]"], [{ stepId: "f[1]", attempt: 1 }]), { ...expanded, attempt: 2 })
  })

  it("the ceiling of heals is not reset (T34)", () => {
    const healed = [started("load"), succeeded("load"), started("report"), failed("report", missing, false)]
    const state = fold(
      ...[requested(chain), ...healed, suspended("report", healing()), resumed("report", "recovered", "r1")],
      restored(1, ["load"], ["report"])
    )
    assert.deepInclude(state, { heals: 1, healedBy: ["r1"] })
  })
})

describe("a paused run", () => {
  const begin = retryNow
  const resumedAt = (time: number): Event => ({ _tag: "RunResumed", at: time })

  it("F45: begins no step, retries nothing, heals nothing and expands nothing, while what executes ends and is recorded", () => {
    const history = [requested(pair), started("left"), paused]
    run(...history)
      .when({ ...begin("right"), now: 0, slot: true })
      .then()
    run(...history)
      .when(withSlot(end("left", well)))
      .then(succeeded("left"))
    const retries = [requested(chain), started("load"), failed("load", transient, false), retryAt("load", 100), paused]
    run(...retries)
      .when({ ...begin("load"), now: 200, slot: true })
      .then()
    assert.deepStrictEqual(RunDemand.demands(fold(...retries)), [])
    assert.deepStrictEqual(
      RunDemand.demands(fold(requested(chain), started("load"), failed("load", missing, false), paused)),
      []
    )
    run(requested(fan, { parameters: { items: ["x"] } }), paused)
      .when(now({ _tag: "Tick" }))
      .then()
    assert.deepStrictEqual(
      RunDemand.demands(fold(...history)).map(({ _tag }) => _tag),
      ["Execute"]
    )
  })

  it("a workflow that is paused holds its runs back the same way", () => {
    run(requested(chain))
      .when({ ...begin("load"), now: 0, slot: false, held: true })
      .then()
    run(requested(chain))
      .when({ ...begin("load"), now: 0, slot: false, held: false })
      .then(started("load"))
  })

  it("resumed it goes on, and waits for what it waited for as much longer as it was paused", () => {
    run(requested(pair), started("left"), paused)
      .when({ ...resume, now: 5, slot: true })
      .then(resumedAt(5), { ...started("right"), at: 5 })
    const waits = [requested(chain), started("load"), failed("load", missing, false), suspended("load", healing())]
    const state = fold(...waits, { ...paused, at: 100 }, resumedAt(1_100))
    assert.strictEqual(step(state, "load").deadlineAt, 601_000)
    // No deadline passes meanwhile.
    run(...waits, paused)
      .when({ _tag: "Tick", now: 700_000, slot: false })
      .then()
  })

  it("its end ends the pause", () => {
    for (const last of [runCanceled, runSucceeded, runFailed("left", permanent)]) {
      assert.isFalse(view(fold(requested(pair), paused, last), 3).paused)
    }
    assert.isTrue(view(fold(requested(pair), paused), 2).paused)
  })
})

function retryNow(stepId: string) {
  return { _tag: "BeginStep" as const, stepId, inputs: [] }
}

describe("every command on every state has one answer", () => {
  const definition = workflow([
    { id: "a", optional: true },
    { id: "b", dependsOn: ["a"] }
  ])
  const base = requested(definition)
  const done = [started("a"), succeeded("a")]
  const states: Readonly<Record<string, ReadonlyArray<Event>>> = {
    pending: [],
    running: [started("a")],
    recording: [started("a"), produced("a")],
    "waiting for its retry": [started("a"), failed("a", transient, false), retryAt("a", 100)],
    "waiting for a recovery": [started("a"), failed("a", missing, false), suspended("a", healing())],
    failed: [started("a"), failed("a", permanent, true), runFailed("a", permanent)],
    succeeded: [...done, started("b"), succeeded("b"), runSucceeded],
    canceled: [started("a"), runCanceled],
    "canceled later": [...done, started("b"), runCanceled],
    skipped: [skipped("a")],
    paused: [started("a"), succeeded("a"), paused]
  }
  const commands: Readonly<Record<string, Unstamped>> = {
    cancel: { _tag: "Cancel", reason: "" },
    recover: { _tag: "Recover" },
    retry: retry("a"),
    skip: skip("a"),
    restore: restore(1),
    pause,
    resume
  }
  /** The events, or why not. */
  const table: Readonly<Record<string, Readonly<Record<keyof typeof commands, string>>>> = {
    pending: {
      cancel: "RunCanceled",
      recover: "409 pending",
      retry: "409 pending",
      skip: "StepSkipped",
      restore: "UnknownCheckpoint",
      pause: "RunPaused",
      resume: ""
    },
    running: {
      cancel: "RunCanceled",
      recover: "409 running",
      retry: "409 running",
      skip: "StepSkipped",
      restore: "UnknownCheckpoint",
      pause: "RunPaused",
      resume: ""
    },
    recording: {
      cancel: "RunCanceled",
      recover: "409 running",
      retry: "409 running",
      skip: "409 running",
      restore: "UnknownCheckpoint",
      pause: "RunPaused",
      resume: ""
    },
    "waiting for its retry": {
      cancel: "RunCanceled",
      recover: "409 waiting",
      retry: "StepResumed",
      skip: "StepSkipped",
      restore: "UnknownCheckpoint",
      pause: "RunPaused",
      resume: ""
    },
    "waiting for a recovery": {
      cancel: "RunCanceled",
      recover: "409 waiting",
      retry: "409 waiting",
      skip: "StepSkipped",
      restore: "UnknownCheckpoint",
      pause: "RunPaused",
      resume: ""
    },
    failed: {
      cancel: "409 failed",
      recover: "RunRecovered",
      retry: "RunRecovered",
      skip: "StepSkipped RunRecovered",
      restore: "UnknownCheckpoint",
      pause: "409 failed",
      resume: "409 failed"
    },
    succeeded: {
      cancel: "409 succeeded",
      recover: "409 succeeded",
      retry: "409 succeeded",
      skip: "409 succeeded",
      restore: "RunRestored",
      pause: "409 succeeded",
      resume: "409 succeeded"
    },
    canceled: {
      cancel: "409 canceled",
      recover: "409 canceled",
      retry: "409 canceled",
      skip: "409 canceled",
      restore: "UnknownCheckpoint",
      pause: "409 canceled",
      resume: "409 canceled"
    },
    "canceled later": {
      cancel: "409 canceled",
      recover: "409 canceled",
      retry: "409 succeeded",
      skip: "409 succeeded",
      restore: "RunRestored",
      pause: "409 canceled",
      resume: "409 canceled"
    },
    skipped: {
      cancel: "RunCanceled",
      recover: "409 pending",
      retry: "409 skipped",
      skip: "409 skipped",
      restore: "RunRestored",
      pause: "RunPaused",
      resume: ""
    },
    paused: {
      cancel: "RunCanceled",
      recover: "409 waiting",
      retry: "409 succeeded",
      skip: "409 succeeded",
      restore: "RunRestored",
      pause: "",
      resume: "RunResumed"
    }
  }

  it("and the table has every status and command", () => {
    assert.deepStrictEqual(Object.keys(table), Object.keys(states))
  })

  for (const [status, history] of Object.entries(states)) {
    for (const [name, command] of Object.entries(commands)) {
      it(`${name} where step a is ${status}: ${table[status]![name]}`, () => {
        const decision = decider.decide(at(1)(command), fold(base, ...history))
        const answer = Result.isSuccess(decision)
          ? decision.success.map(({ _tag }) => _tag).join(" ")
          : decision.failure._tag === "IllegalTransition"
            ? `409 ${decision.failure.status}`
            : decision.failure._tag
        assert.strictEqual(answer, table[status]![name])
      })
    }
  }

  it("a step or child that the run does not have is nobody", () => {
    for (const command of [retry("x"), skip("x"), retry("a[0]"), skip("a[0]")]) {
      const decision = decider.decide(now(command), fold(base))
      assert(Result.isFailure(decision) && decision.failure._tag === "UnknownStep")
    }
  })
})
