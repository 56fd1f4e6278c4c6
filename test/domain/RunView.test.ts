import { assert, describe, it } from "@effect/vitest"
import type { Event } from "../../src/domain/run/RunEvents.ts"
import { shownPartition, statusOf, view } from "../../src/domain/run/RunView.ts"
import {
  chain,
  failed,
  fold,
  healing,
  missing,
  pair,
  part,
  permanent,
  produced,
  recorded,
  requested,
  resumed,
  retryAt,
  runCanceled,
  runFailed,
  runSucceeded,
  started,
  storeBack,
  succeeded,
  suspended,
  transient,
  unrecovered
} from "./RunScenario.ts"

const shown = (...history: ReadonlyArray<Event>) => view(fold(...history), history.length)
const status = (...history: ReadonlyArray<Event>) => statusOf(fold(requested(pair), ...history))
const paused: Event = { _tag: "RunPaused", reason: "", at: 0 }
const lost = (stepId: string) => [started(stepId), failed(stepId, missing, false)]

describe("RunView", () => {
  it("says pending, running, waiting, or how the run ended", () => {
    assert.strictEqual(status(), "pending")
    assert.strictEqual(status(started("left")), "running")
    assert.strictEqual(status(started("left"), succeeded("left")), "running")
    assert.strictEqual(status(...lost("left")), "waiting")
    assert.strictEqual(status(...lost("left"), suspended("left", healing())), "waiting")
    assert.strictEqual(status(...lost("left"), suspended("left", healing()), started("right")), "running")
    assert.strictEqual(status(started("left"), produced("left")), "running")
    assert.strictEqual(status(started("left"), failed("left", transient, false), retryAt("left", 1)), "waiting")
    assert.strictEqual(status(runSucceeded), "succeeded")
    assert.strictEqual(status(failed("left", permanent, true), runFailed("left", permanent)), "failed")
    assert.strictEqual(status(started("left"), runCanceled), "canceled")
  })

  it("F45: never says of a paused run that it is running while no step of it executes", () => {
    const retrying = [started("left"), failed("left", transient, false), retryAt("left", 1)]
    assert.strictEqual(status(paused), "pending", "it has not begun")
    assert.strictEqual(status(started("left"), paused), "running", "what executes ends")
    assert.strictEqual(status(started("left"), paused, succeeded("left")), "waiting", "what would be next is held up")
    assert.strictEqual(status(...retrying, paused), "waiting")
    const atOnce = resumed("left", "retry")
    assert.strictEqual(status(...retrying, paused, atOnce), "waiting", "an operator's retry begins after the pause")
    assert.strictEqual(status(...retrying, paused, atOnce, { _tag: "RunResumed", at: 0 }), "running")
    assert.strictEqual(status(started("left"), paused, runCanceled), "canceled")
  })

  it("has the public shape of a run", () => {
    const run = shown(requested(chain, { partitionKey: "2024-01", parameters: { day: 1 } }), {
      ...started("load"),
      at: 5
    })
    const { steps, ...rest } = run
    assert.deepStrictEqual(rest, {
      id: "run-1",
      workflow: "orders",
      version: 1,
      status: "running",
      paused: false,
      partitionKey: "2024-01",
      runKey: null,
      parameters: { day: 1 },
      trigger: { type: "manual" },
      createdAt: "1970-01-01T00:00:00.000Z",
      startedAt: "1970-01-01T00:00:00.005Z",
      finishedAt: null,
      streamVersion: 2
    })
    assert.deepStrictEqual(
      steps.map(({ attempt, finishedAt, id, startedAt, status }) => ({ attempt, finishedAt, id, startedAt, status })),
      [
        { attempt: 1, finishedAt: null, id: "load", startedAt: "1970-01-01T00:00:00.005Z", status: "running" },
        { attempt: 0, finishedAt: null, id: "report", startedAt: null, status: "pending" }
      ]
    )
  })

  it("says what a step waits for and since when, from the moment of the loss (F26)", () => {
    const since = "1970-01-01T00:00:00.000Z"
    const [reporting] = shown(requested(chain), ...lost("load")).steps
    assert.deepStrictEqual(reporting?.waitingFor, { type: "recovery", since })
    const [waiting] = shown(requested(chain), ...lost("load"), suspended("load", healing())).steps
    assert.strictEqual(waiting?.status, "waiting")
    assert.deepStrictEqual<unknown>(waiting?.waitingFor, {
      type: "recovery",
      recoveryId: "r1",
      assetId: "orders.csv",
      partitionKey: null,
      since
    })
    const [store] = shown(requested(chain), started("load"), suspended("load", storeBack, 1, null)).steps
    assert.deepStrictEqual<unknown>(store?.waitingFor, { type: "store", store: "warehouse", since })
    const [awake] = shown(
      requested(chain),
      ...lost("load"),
      suspended("load", healing()),
      resumed("load", "recovered", "r1")
    ).steps
    assert.strictEqual(awake?.waitingFor, undefined)
    assert.strictEqual(awake?.failure, undefined)
  })

  it("says when the next retry is due, and the failure that led to it (F41)", () => {
    const [step] = shown(
      requested(chain),
      started("load"),
      failed("load", transient, false),
      retryAt("load", 1_500)
    ).steps
    assert.deepStrictEqual(step?.waitingFor, { type: "retry", since: "1970-01-01T00:00:00.000Z" })
    assert.strictEqual(step?.retryAt, "1970-01-01T00:00:01.500Z")
    assert.deepStrictEqual(step?.failure, transient)
  })

  it("lists what a step produced, with the generation once its Asset has recorded it (F9)", () => {
    const before = shown(requested(chain), started("load"), produced("load")).steps[0]
    assert.strictEqual(before?.status, "running")
    const after = shown(requested(chain), started("load"), produced("load"), recorded("load")).steps[0]
    assert.strictEqual(after?.status, "succeeded")
    const asset = { assetId: part.assetId, partitionKey: null, locations: part.parts }
    assert.deepStrictEqual(before?.producedAssets, [{ ...asset, generation: null }])
    assert.deepStrictEqual(after?.producedAssets, [{ ...asset, generation: 1 }])
  })

  it("shows the run's own failure and step, with no empty partition key (F50, T12)", () => {
    const failure = { ...permanent, asset: { assetId: "orders.csv", partitionKey: "" } }
    const run = shown(requested(chain), started("load"), failed("load", failure, true), runFailed("load", failure))
    const expected = { ...permanent, asset: { assetId: "orders.csv", partitionKey: null } }
    assert.deepStrictEqual(run.failure, { ...expected, stepId: "load" })
    assert.deepStrictEqual(run.steps[0]?.failure, expected)
    assert.strictEqual(run.finishedAt, "1970-01-01T00:00:00.000Z")
  })

  it("says why it was canceled", () => {
    assert.strictEqual(shown(requested(chain), runCanceled).cancelReason, "not needed any more")
  })

  it("shows the partition key of an unpartitioned asset as null", () => {
    assert.strictEqual(shownPartition(""), null)
    assert.strictEqual(shownPartition(undefined), null)
    assert.strictEqual(shownPartition("2024-01"), "2024-01")
  })

  it("shows nothing of a wait in a step that has failed, whatever ended the wait", () => {
    const waits = [requested(chain), ...lost("load"), suspended("load", healing())]
    for (const failure of [unrecovered, permanent]) {
      const [load] = shown(...waits, failed("load", failure, true), runFailed("load", failure)).steps
      assert.strictEqual(load?.status, "failed")
      assert.strictEqual(load?.failure?.code, failure.code)
      assert.notProperty(load, "waitingFor")
      assert.notProperty(load, "retryAt")
    }
    const deadline = fold(...waits, failed("load", unrecovered, true)).steps.load
    assert.notProperty(deadline, "deadlineAt")
  })

  it("shows nothing of earlier executions in a step that has yet to begin again", () => {
    const fresh = { status: "pending", producedAssets: [], inputs: [], startedAt: null, finishedAt: null }
    const stale = ["result", "failure", "waitingFor", "retryAt"]
    const ended = [
      { ...started("load"), at: 1 },
      { ...failed("load", missing, false), at: 2 }
    ]
    const rerun: Event = { _tag: "RunRecovered", kept: [], rerun: ["load", "report"], at: 9 }
    const cut: Event = {
      _tag: "RunInterrupted",
      reason: "crash",
      processId: "p",
      steps: [{ stepId: "load", attempt: 1 }],
      at: 9
    }
    const done = [produced("load"), recorded("load")].map((event) => ({ ...event, result: { rows: 1 } }) as Event)
    const histories = {
      resumed: [...ended, suspended("load", healing()), resumed("load", "recovered", "r1")],
      interrupted: [started("load"), cut],
      failedElsewhere: [...ended, suspended("load", healing()), runFailed("report", permanent)],
      recovered: [...ended, failed("load", unrecovered, true), runFailed("load", unrecovered), rerun],
      recoveredWithResult: [started("load"), ...done, runFailed("report", permanent), rerun]
    }
    for (const [name, history] of Object.entries(histories)) {
      const [load] = shown(requested(chain), ...history).steps
      const { finishedAt, inputs, producedAssets, startedAt, status } = load!
      assert.deepStrictEqual({ status, producedAssets, inputs, startedAt, finishedAt }, fresh as never, name)
      for (const field of stale) assert.notProperty(load, field, name)
      assert.strictEqual(load!.attempt, 1, "executions begun are counted on")
    }
  })

  it("shows an execution after the first without the end of the one before", () => {
    const again = { ...started("load", 2), at: 7 }
    const [load] = shown(requested(chain), ...lost("load"), resumed("load", "store"), again).steps
    assert.deepStrictEqual([load?.startedAt, load?.finishedAt], ["1970-01-01T00:00:00.007Z", null])
  })
})
