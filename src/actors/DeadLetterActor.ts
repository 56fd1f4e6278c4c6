import { Context, Effect, Layer } from "effect"
import * as DeadLetter from "../domain/DeadLetter.ts"
import type { IllegalTransition } from "../domain/run/RunCommands.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import { EventStore, type Position } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import type { Behaviour } from "./Behaviour.ts"
import { commandRules, metadataOf, unavailable } from "./CommandRules.ts"
import { type Caller, type CommandReused, NotFound, type Unavailable } from "./Engine.ts"

const codec = EventCodec.make(DeadLetter.Event, {})

export const decode = (recorded: Parameters<typeof codec.decode>[0]): DeadLetter.Event => ({
  ...codec.decode(recorded),
  at: recorded.recordedAt
})

/** What people decide about one dead letter of the event bus. */
export const behaviour: Behaviour<
  DeadLetter.State,
  DeadLetter.Command,
  DeadLetter.Stamped,
  DeadLetter.Event,
  IllegalTransition,
  never
> = {
  category: "deadletter",
  decider: DeadLetter.decider,
  encode: codec.encode,
  decode,
  stamp: (command, now) => ({ ...command, now }),
  creates: () => false,
  demands: () => [],
  key: () => "",
  isResident: () => false,
  activity: (demand) => demand,
  wakeAt: () => null
}

/** Notes in the log what somebody decides about a dead letter, before the bus is told. */
export class DeadLetterCommands extends Context.Service<
  DeadLetterCommands,
  {
    /**
     * The first decision holds: the same again changes nothing, and the other one is refused. `exists` is asked only
     * about a letter that nothing was decided about.
     */
    readonly settle: <E>(
      command: Exclude<DeadLetter.Command, { readonly _tag: "Read" }>,
      exists: Effect.Effect<boolean, E>,
      caller: Caller
    ) => Effect.Effect<
      { readonly status: DeadLetter.Status; readonly position: Position },
      E | NotFound | IllegalTransition | CommandReused | Unavailable
    >
  }
>()("kintsugi/actors/DeadLetterCommands") {
  static readonly layer = Layer.effect(
    DeadLetterCommands,
    Effect.gen(function* () {
      const log = yield* EventStore
      const letters = yield* Actors.deadLetter.client
      const { isRepeat, positionOf, timely } = commandRules(log)

      const settle = Effect.fnUntraced(function* <E>(
        command: Exclude<DeadLetter.Command, { readonly _tag: "Read" }>,
        exists: Effect.Effect<boolean, E>,
        caller: Caller
      ) {
        const { letterId } = command
        const id = DeadLetter.idOf(letterId)
        const isAgain = yield* isRepeat(caller)
        const { state } = yield* letters.execute(id, { _tag: "Read" })
        if (state.status === null && !(yield* exists)) {
          return yield* new NotFound({ kind: "dead letter", id: letterId })
        }
        const told = yield* letters.execute(id, isAgain ? { _tag: "Read" } : command, metadataOf(caller))
        const status = told.state.status ?? (command._tag === "Retry" ? "retried" : "discarded")
        return { status, position: yield* positionOf(`deadletter-${id}`, told) }
      })

      return DeadLetterCommands.of({
        settle: (command, exists, caller) => unavailable(timely(settle(command, exists, caller)))
      })
    })
  )
}
