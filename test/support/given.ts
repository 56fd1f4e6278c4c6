import { assert } from "@effect/vitest"
import { Result } from "effect"
import * as Decider from "../../src/domain/Decider.ts"

/** Given past events, when a command arrives, then these events (or this rejection). */
export const given =
  <State, Command, Event, Rejection extends { readonly _tag: string }>(
    decider: Decider.Decider<State, Command, Event, Rejection>
  ) =>
  (...past: ReadonlyArray<Event>) => ({
    when: (command: Command) => {
      const decision = decider.decide(command, Decider.fold(decider, decider.initial, past))
      return {
        then: (...expected: ReadonlyArray<Event>) => assert.deepStrictEqual(decision, Result.succeed(expected)),
        thenRejected: (tag: Rejection["_tag"]) => {
          assert(Result.isFailure(decision), "expected a rejection")
          assert.strictEqual(decision.failure._tag, tag)
        }
      }
    }
  })
