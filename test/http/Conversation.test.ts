import { assert, describe, it } from "@effect/vitest"
import { Position, type RecordedEvent } from "../../src/eventstore/EventStore.ts"
import { viewOf } from "../../src/http/EventShape.ts"

const event = (streamName: string, type: string, data: object): RecordedEvent => ({
  streamName,
  streamVersion: 1,
  position: Position.make("00000001-0000000000000001-0000000000000001"),
  type,
  schemaVersion: 1,
  payload: JSON.stringify(data),
  metadata: {},
  recordedAt: 0,
  hash: ""
})
const conversation = (recorded: RecordedEvent) => {
  const { causationId, correlationId } = viewOf(recorded).metadata
  return { correlationId, causationId }
}

describe("the conversation of an event", () => {
  it("F83: a recovery's run was caused by the recovery, and what it made by that run", () => {
    const trigger = { type: "recovery", recoveryId: "rec" }
    assert.deepStrictEqual(conversation(event("run-r1", "RunRequested", { runId: "r1", trigger })), {
      correlationId: "r1",
      causationId: "rec"
    })
    assert.deepStrictEqual(conversation(event("asset-a", "AssetProduced", { runId: "r1" })), {
      correlationId: "r1",
      causationId: "r1"
    })
    assert.deepStrictEqual(conversation(event("asset-a", "AssetMissingDetected", { reportedBy: "r2/load/1" })), {
      correlationId: "r2",
      causationId: null
    })
    assert.deepStrictEqual(conversation(event("recovery-rec", "RecoveryScheduled", { producerRunId: "r1" })), {
      correlationId: "rec",
      causationId: "r1"
    })
  })

  it("what was stored is shown before what can be derived", () => {
    const stored = { ...event("run-r1", "RunSucceeded", {}), metadata: { correlationId: "c", causationId: "d" } }
    assert.deepStrictEqual(conversation(stored), { correlationId: "c", causationId: "d" })
  })
})
