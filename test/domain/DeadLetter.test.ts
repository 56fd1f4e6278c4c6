import { describe, it } from "@effect/vitest"
import * as DeadLetter from "../../src/domain/DeadLetter.ts"
import { given } from "../support/given.ts"

const letter = given(DeadLetter.decider)
const letterId = "inbound:1-0"
const retry = { _tag: "Retry", letterId, now: 7 } as const
const discard = { _tag: "Discard", letterId, reason: "obsolete", now: 7 } as const
const retried: DeadLetter.Event = { _tag: "DeadLetterRetried", letterId, at: 7 }
const discarded: DeadLetter.Event = { _tag: "DeadLetterDiscarded", letterId, reason: "obsolete", at: 7 }

describe("DeadLetter", () => {
  it("is retried or discarded once; the same again changes nothing", () => {
    letter().when(retry).then(retried)
    letter().when(discard).then(discarded)
    letter(retried).when(retry).then()
    letter(discarded).when(discard).then()
  })

  it("keeps the reason for a retry when there is one", () => {
    letter()
      .when({ ...retry, reason: "mended" })
      .then({ ...retried, reason: "mended" })
  })

  it("refuses the other decision: the bus may have been told of the first", () => {
    letter(retried).when(discard).thenRejected("IllegalTransition")
    letter(discarded).when(retry).thenRejected("IllegalTransition")
  })
})
