import { assert, describe, it } from "@effect/vitest"
import { view } from "../../src/domain/recovery/RecoveryView.ts"
import {
  asset,
  failed,
  fold,
  gone,
  joined,
  parentSettled,
  planned,
  plannedEvent,
  producerRun,
  recoveryId,
  released,
  requested,
  running,
  stepOf,
  succeeded
} from "./RecoveryScenario.ts"

describe("RecoveryView", () => {
  it("has the public shape of a recovery", () => {
    const shown = view(fold(...running, { ...succeeded(), at: 1_500 }), 5)
    assert.deepStrictEqual<unknown>(shown, {
      id: recoveryId,
      ...asset,
      lostGeneration: 1,
      refresh: false,
      status: "succeeded",
      paused: false,
      class: "reprocess",
      recheck: null,
      rootCause: planned.rootCause,
      plan: planned.plan,
      attempts: 1,
      maxAttempts: 3,
      round: 1,
      waiterCount: 1,
      waiters: [{ runId: "run-1", stepId: "report" }],
      producerRunId: producerRun(1),
      reasonCode: null,
      failure: null,
      chain: [],
      via: "producer",
      generation: 2,
      contentChanged: false,
      requestedAt: "1970-01-01T00:00:00.000Z",
      finishedAt: "1970-01-01T00:00:01.500Z",
      streamVersion: 5
    })
  })

  it("before it is planned says what it knows", () => {
    const shown = view(fold(requested()), 1)
    assert.deepStrictEqual(
      [shown.status, shown.class, shown.rootCause, shown.finishedAt],
      ["requested", null, null, null]
    )
  })

  it("says which missing inputs it waited for and which of them have ended (F16)", () => {
    const { chain } = view(fold(requested(), plannedEvent({ parents: ["p1", "p2"] }), parentSettled("p2")), 3)
    assert.deepStrictEqual(chain, [
      { recoveryId: "p1", settled: false },
      { recoveryId: "p2", settled: true }
    ])
  })

  it("says why it failed, and which ancestor (F22)", () => {
    const shown = view(fold(...running, failed("source_asset")), 5)
    assert.deepStrictEqual(
      [shown.status, shown.reasonCode, shown.failure?.message],
      ["failed", "source_asset", gone.message]
    )
    assert.strictEqual(view(fold(...running, failed("canceled")), 5).status, "canceled")
  })

  it("lists the first 100 waiters and counts all", () => {
    const many = Array.from({ length: 101 }, (_, index) => joined(stepOf(`run-${index}`)))
    const shown = view(fold(requested(), ...many, succeeded(), released(101)), 104)
    assert.strictEqual(shown.waiterCount, 101)
    assert.deepStrictEqual([shown.waiters.length, shown.waiters[0]], [100, stepOf("run-0")])
  })

  it("shows an unpartitioned asset's partition key as null", () => {
    const shown = view(
      fold(requested(1, { partitionKey: "" }), plannedEvent({ rootCause: { ...planned.rootCause, partitionKey: "" } })),
      2
    )
    assert.isNull(shown.partitionKey)
    assert.isNull(shown.rootCause?.partitionKey)
    const lost = { ...gone, asset: { assetId: "orders", partitionKey: "" } }
    const ended = view(fold(...running, failed("source_asset", lost)), 3)
    assert.deepStrictEqual(ended.failure, { ...lost, asset: { assetId: "orders", partitionKey: null } })
  })
})
