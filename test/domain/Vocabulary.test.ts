import { assert, describe, it } from "@effect/vitest"
import { eventTypes } from "../../src/domain/Vocabulary.ts"

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
})
