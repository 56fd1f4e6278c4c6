import { assert, describe, it } from "@effect/vitest"
import { demands, key, leaseUntil, wakeAt } from "../../src/domain/run/RunDemand.ts"
import type { Event, ObjectRef } from "../../src/domain/run/RunEvents.ts"
import { overwritingMax } from "../../src/domain/run/RunOverwriting.ts"
import {
  chain,
  failed,
  fold,
  now,
  permanent,
  produced,
  recorded,
  recovered,
  requested,
  retryAt,
  run,
  runCanceled,
  runFailed,
  started,
  succeeded,
  transient
} from "./RunScenario.ts"

const file = (name: string): ObjectRef => ({ store: "warehouse", key: name })
const note = (attempt: number, ...names: ReadonlyArray<string>) =>
  now({ _tag: "NoteOverwriting", stepId: "load", attempt, objects: names.map(file) })
const overwriting = (attempt: number, ...names: ReadonlyArray<string>): Event => ({
  _tag: "StepOverwriting",
  stepId: "load",
  attempt,
  objects: names.map(file),
  at: 0
})
const confirm = now({ _tag: "ConfirmMoved", stepId: "load" })
const moved: Event = { _tag: "StepLeftOversMoved", stepId: "load", at: 0 }
const begun = [requested(chain), started("load")]
const again = [failed("load", transient, false), retryAt("load", 90_000), started("load", 2)]
const left = (...history: ReadonlyArray<Event>) => fold(...history).overwriting
const demanded = (...history: ReadonlyArray<Event>) => demands(fold(...history)).map(key)

describe("Run: recorded objects that a step writes over", () => {
  it("are noted once a step, over all of its attempts", () => {
    run(...begun)
      .when(note(1, "a", "b"))
      .then(overwriting(1, "a", "b"))
    run(...begun, overwriting(1, "a", "b"))
      .when(note(1, "b"))
      .then()
    const history = [...begun, overwriting(1, "a"), ...again]
    run(...history)
      .when(note(2, "a", "b"))
      .then(overwriting(2, "b"))
    assert.deepStrictEqual(left(...history, overwriting(2, "b")), { load: [file("a"), file("b")] })
  })

  it("are noted by the attempt that executes alone: the others may no longer write", () => {
    run(...begun, ...again)
      .when(note(1, "a"))
      .thenRejected("IllegalTransition")
    run(...begun, failed("load", transient, false), retryAt("load", 90_000))
      .when(note(1, "a"))
      .thenRejected("IllegalTransition")
    run(...begun, runCanceled)
      .when(note(1, "a"))
      .thenRejected("IllegalTransition")
  })

  it("are bounded", () => {
    const many = Array.from({ length: overwritingMax }, (_, index) => `${index}`)
    run(...begun, overwriting(1, ...many.slice(1)))
      .when(note(1, "a", "b"))
      .then(overwriting(1, "a"))
    run(...begun, overwriting(1, ...many))
      .when(note(1, "a"))
      .then()
  })

  it("are settled when the outputs are recorded, or when nothing was produced", () => {
    const history = [...begun, overwriting(1, "a")]
    assert.deepStrictEqual(left(...history, produced("load")), { load: [file("a")] })
    assert.deepStrictEqual(left(...history, produced("load"), recorded("load")), {})
    assert.deepStrictEqual(left(...history, succeeded("load")), {})
  })

  it("are to be moved aside when the run has ended without recording them, until that is confirmed", () => {
    for (const end of [[failed("load", permanent, true), runFailed("load", permanent)], [runCanceled]]) {
      const history = [...begun, overwriting(1, "a"), ...end]
      assert.deepStrictEqual(demanded(...history), ["moveAside:load"])
      assert.strictEqual(wakeAt(fold(...history), 0), leaseUntil(0))
      run(...history)
        .when(confirm)
        .then(moved)
      assert.deepStrictEqual(demanded(...history, moved), [])
      assert.strictEqual(wakeAt(fold(...history, moved), 0), null)
      run(...history, moved)
        .when(confirm)
        .then()
    }
  })

  it("are kept by a run that goes on, or is still recording: nothing is moved", () => {
    const history = [...begun, overwriting(1, "a"), failed("load", permanent, true), runFailed("load", permanent)]
    const resumed = [...history, recovered([], ["load", "report"])]
    assert.deepStrictEqual(left(...resumed), { load: [file("a")] })
    run(...resumed)
      .when(confirm)
      .then()
    const recording = [...begun, overwriting(1, "a"), produced("load"), runCanceled]
    assert.deepStrictEqual(demanded(...recording), ["Record:load:1"])
    run(...recording)
      .when(confirm)
      .then()
  })

  it("wake the run within a lease, however far off its retry is", () => {
    const retrying = [failed("load", transient, false), retryAt("load", 900_000)]
    assert.strictEqual(wakeAt(fold(...begun, ...retrying), 0), 900_000)
    assert.strictEqual(wakeAt(fold(...begun, overwriting(1, "a"), ...retrying), 0), leaseUntil(0))
  })
})
