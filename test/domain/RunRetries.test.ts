import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { decider } from "../../src/domain/run/RunDecide.ts"
import type { Event } from "../../src/domain/run/RunEvents.ts"
import { step } from "../../src/domain/run/RunState.ts"
import {
  at,
  badly,
  begin,
  chain,
  end,
  failed,
  fold,
  interrupt,
  missing,
  now,
  pair,
  permanent,
  produced,
  requested,
  retryAt,
  run,
  runCanceled,
  runFailed,
  started,
  transient,
  tried,
  workflow
} from "./RunScenario.ts"

describe("Run: retries", () => {
  it("a transient failure is tried again after the policy's delay, with number, delay and reason (F41, F42)", () => {
    run(requested(tried(4)), started("load"))
      .when(at(1_000)(end("load", badly(transient))))
      .then(
        { ...failed("load", transient, false), at: 1_000 } as Event,
        { ...retryAt("load", 1_100), at: 1_000 } as Event
      )
  })

  it("by default there are 3 retries: 4 executions, then the real failure (F41, T10)", () => {
    const history: Array<Event> = [requested(chain)]
    const seen: Array<string> = []
    for (let attempt = 1; attempt <= 4; attempt++) {
      for (const command of [begin("load"), end("load", badly(transient, true, 0.5), attempt)]) {
        const events = Result.getOrThrow(decider.decide(now(command), fold(...history)))
        history.push(...events)
        seen.push(...events.map(({ _tag }) => _tag))
      }
    }
    const tries = ["StepStarted", "StepFailed", "StepRetryScheduled"]
    assert.deepStrictEqual(seen, [...tries, ...tries, ...tries, "StepStarted", "StepFailed", "RunFailed"])
    const delays = history.flatMap((event) => (event._tag === "StepRetryScheduled" ? [event.delayMs] : []))
    // Exponential from 1 s; full jitter drawn at one half (F42, T11).
    assert.deepStrictEqual(delays, [500, 1_000, 2_000])
    assert.deepStrictEqual(fold(...history).failure, { ...transient, stepId: "load" })
  })

  it("strategy none is no retry (F42, T10)", () => {
    const none = workflow([{ id: "load", retryPolicy: { strategy: "none" } }])
    run(requested(none), started("load"))
      .when(now(end("load", badly(transient))))
      .then(failed("load", transient, true), runFailed("load", transient))
  })

  it("a step that is to be tried again begins with the next attempt, and not while the run is failing", () => {
    const history = [requested(tried(4)), started("load"), failed("load", transient, false), retryAt("load", 100)]
    run(...history)
      .when(at(100)(begin("load")))
      .then({ ...started("load", 2), at: 100 } as Event)
    const both = [requested(pair), started("left"), started("right"), failed("left", transient, false)]
    run(...both, retryAt("left", 100), failed("right", permanent, true))
      .when(now(begin("left")))
      .then(runFailed("right", permanent))
  })

  it("with recovery off a missing asset is retried with the same events as a transient failure (F40, F95)", () => {
    const tags = (failure: typeof missing, heal: boolean) => {
      const history: Array<Event> = [requested(tried(3))]
      for (let attempt = 1; attempt <= 3; attempt++) {
        for (const command of [begin("load"), end("load", badly(failure, heal), attempt)]) {
          history.push(...Result.getOrThrow(decider.decide(now(command), fold(...history))))
        }
      }
      return history.map((event) => [event._tag, event._tag === "StepFailed" ? event.final : null])
    }
    const plain = tags(transient, true)
    for (const failureClass of ["asset_missing", "corrupt", "store_unavailable"] as const) {
      assert.deepStrictEqual(tags({ ...missing, class: failureClass }, false), plain)
    }
    assert.strictEqual(plain.at(-1)?.[0], "RunFailed")
  })
})

describe("Run: crashes and drains", () => {
  it("attempts that were cut off are noted and begin again; they cost no retry (F38)", () => {
    const interrupted: Event = {
      _tag: "RunInterrupted",
      reason: "crash",
      processId: "p1",
      steps: [{ stepId: "load", attempt: 1 }],
      at: 0
    }
    run(requested(tried(1)), started("load"))
      .when(now(interrupt()))
      .then(interrupted)
    run(requested(tried(1)), started("load"), interrupted)
      .when(now(begin("load")))
      .then(started("load", 2))
    assert.strictEqual(step(fold(requested(tried(1)), started("load"), interrupted), "load").retries, 0)
  })

  it("nothing was cut off when nothing executes: recording, waiting and ended runs go on as they are", () => {
    run(requested(chain)).when(now(interrupt())).then()
    run(requested(chain), started("load"), produced("load")).when(now(interrupt())).then()
    run(requested(chain), started("load"), failed("load", missing, false))
      .when(now(interrupt()))
      .then()
    run(requested(chain), started("load"), runCanceled).when(now(interrupt())).then()
  })

  it("the tenth crash without one execution ending by itself fails the step: crash_loop", () => {
    const crash = (attempt: number): Event => ({
      _tag: "RunInterrupted",
      reason: "crash",
      processId: "p1",
      steps: [{ stepId: "load", attempt }],
      at: 0
    })
    const drain: Event = { ...crash(1), reason: "drain" } as Event
    const crashed = (times: number) =>
      Array.from({ length: times }, (_, index) => [started("load", index + 1), crash(index + 1)]).flat()
    const ninth = Result.getOrThrow(
      decider.decide(now(interrupt()), fold(requested(chain), ...crashed(8), started("load", 9)))
    )
    assert.deepStrictEqual(
      ninth.map(({ _tag }) => _tag),
      ["RunInterrupted"]
    )
    const tenth = Result.getOrThrow(
      decider.decide(now(interrupt()), fold(requested(chain), ...crashed(9), started("load", 10)))
    )
    assert.deepStrictEqual(
      tenth.map(({ _tag }) => _tag),
      ["RunInterrupted", "StepFailed", "RunFailed"]
    )
    assert(tenth[1]?._tag === "StepFailed")
    assert.strictEqual(tenth[1].failure.code, "crash_loop")
    // A drain is not a crash, and an execution that ends by itself begins a new count.
    const drained = fold(requested(chain), ...crashed(9), started("load", 10))
    const cut = Result.getOrThrow(decider.decide(now(interrupt("drain")), drained))
    assert.deepStrictEqual(
      cut.map(({ _tag }) => _tag),
      ["RunInterrupted"]
    )
    assert.strictEqual(step(fold(requested(chain), started("load"), drain), "load").crashes, 0)
    const ended = fold(requested(chain), ...crashed(9), started("load", 10), failed("load", transient, false, 10))
    assert.strictEqual(step(ended, "load").crashes, 0)
  })
})
