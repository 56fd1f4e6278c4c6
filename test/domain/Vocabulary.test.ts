import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { categories, eventTypes } from "../../src/domain/Vocabulary.ts"
import { makes, stepFor } from "../support/chainApp.ts"
import { history, play, start, ended } from "../support/engine.ts"

describe("Vocabulary", () => {
  it("has every word of the audit, and those that only the actors need, each once", () => {
    const audit = [
      ...["WorkflowDefined", "RunRequested", "StepStarted", "StepSucceeded", "StepFailed", "StepRetryScheduled"],
      ...["StepSuspended", "StepResumed", "StepSkipped", "RunSucceeded", "RunFailed", "RunCanceled", "RunInterrupted"],
      ...["RunRecovered", "RunRestored", "AssetProduced", "AssetMissingDetected", "AssetVerified", "AssetExpired"],
      ...["RecoveryRequested", "RecoveryWaiterJoined", "RecoveryPlanned", "RecoveryScheduled"],
      ...["RecoveryAttemptFailed", "RecoverySucceeded", "RecoveryFailed"]
    ]
    assert.includeMembers([...eventTypes], [...audit, "StepOutputsRecorded", "RunKeyClaimed"])
    assert.lengthOf(new Set(eventTypes), eventTypes.length)
  })

  it.live("has every category and type of a log that was really written, those of stores among them", () => {
    const workflows = { w: { concurrency: 1, steps: [stepFor("make-a", { produces: ["a"] })] } }
    return play({ jobs: [makes("a", () => "text")], workflows }, () =>
      Effect.gen(function* () {
        yield* ended((yield* start("w")).id)
        const events = yield* history
        const written = new Set(events.map(({ streamName }) => streamName.slice(0, streamName.indexOf("-"))))
        assert.includeMembers([...written], ["workflow", "run", "asset", "store", "limit"])
        assert.includeMembers([...categories], [...written])
        assert.includeMembers([...eventTypes], [...new Set(events.map(({ type }) => type)), "StoreMarked"])
      })
    )
  })
})
