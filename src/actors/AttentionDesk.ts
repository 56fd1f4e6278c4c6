import { Context, Effect, Layer } from "effect"
import * as Attention from "../domain/Attention.ts"
import { EventStore, type Position } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { commandRules, metadataOf, unavailable } from "./CommandRules.ts"
import type { Caller, CommandReused, Unavailable } from "./Engine.ts"

/** What a command about a thing on the attention list comes to. */
export interface Noted {
  readonly muted: Attention.State["muted"]
  readonly position: Position
}

/**
 * Puts things on the attention list that no run, recovery or materialization says in its own stream, and mutes things
 * on it. Runs, recoveries and automatic runs come onto the list and leave it by their own events: nobody raises those.
 *
 * `raise` and `settle` are idempotent by state: raising what is raised and has not changed writes nothing, so a
 * watcher may say the same each time that it looks. What was settled and is raised again counts one more, and from
 * the third time on is critical.
 */
export class AttentionDesk extends Context.Service<
  AttentionDesk,
  {
    readonly raise: (raise: Attention.Raise) => Effect.Effect<void, Unavailable>
    readonly settle: (itemId: string) => Effect.Effect<void, Unavailable>
    /** `until`: epoch ms. */
    readonly mute: (
      itemId: string,
      mute: { readonly reason: string; readonly until: number },
      caller: Caller
    ) => Effect.Effect<Noted, CommandReused | Unavailable>
    readonly unmute: (itemId: string, caller: Caller) => Effect.Effect<Noted, CommandReused | Unavailable>
  }
>()("kintsugi/actors/AttentionDesk") {
  static readonly layer = Layer.effect(
    AttentionDesk,
    Effect.gen(function* () {
      const log = yield* EventStore
      const items = yield* Actors.attention.client
      const { isRepeat, positionOf, timely } = commandRules(log)

      const tell = (itemId: string, command: Attention.Unstamped) =>
        timely(items.execute(Attention.idOf(itemId), command)).pipe(Effect.asVoid)

      const asked = (itemId: string, command: Attention.Unstamped, caller: Caller) =>
        unavailable(
          timely(
            Effect.gen(function* () {
              const id = Attention.idOf(itemId)
              const repeated = yield* isRepeat(caller)
              const answer = yield* items.execute(id, repeated ? { _tag: "Read" } : command, metadataOf(caller))
              return { muted: answer.state.muted, position: yield* positionOf(`attention-${id}`, answer) }
            })
          )
        )

      return AttentionDesk.of({
        raise: (raise) => tell(raise.id, { _tag: "Raise", raise }),
        settle: (id) => tell(id, { _tag: "Settle", id }),
        mute: (id, { reason, until }, caller) => asked(id, { _tag: "Mute", id, reason, until }, caller),
        unmute: (id, caller) => asked(id, { _tag: "Unmute", id }, caller)
      })
    })
  )
}
