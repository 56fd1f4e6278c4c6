import { Effect } from "effect"
import type { Unstamped } from "../domain/recovery/RecoveryDecide.ts"
import { view } from "../domain/recovery/RecoveryView.ts"
import type { EventStore } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { commandRules, metadataOf, unavailable } from "./CommandRules.ts"
import { type Caller, NotFound } from "./Engine.ts"

/** How a command of an operator reaches its recovery: told once, the same command id again reads it as it is now. */
export const make = Effect.fnUntraced(function* (log: EventStore["Service"]) {
  const recoveries = yield* Actors.recovery.client
  const { isRepeat, positionOf, timely } = commandRules(log)
  return (id: string, command: Unstamped, caller: Caller | undefined) =>
    unavailable(
      timely(
        Effect.gen(function* () {
          const repeat = yield* isRepeat(caller)
          const answer = yield* recoveries
            .execute(id, repeat ? { _tag: "Read" } : command, metadataOf(caller))
            .pipe(Effect.catchTag("UnknownRecovery", () => Effect.fail(new NotFound({ kind: "recovery", id }))))
          if (answer.state.round === 0) return yield* new NotFound({ kind: "recovery", id })
          return {
            recovery: view(answer.state, answer.streamVersion),
            position: yield* positionOf(`recovery-${id}`, answer)
          }
        })
      )
    )
})
