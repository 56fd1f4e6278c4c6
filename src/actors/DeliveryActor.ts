import { Context, Effect, Layer } from "effect"
import * as Delivery from "../domain/Delivery.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import { EventStore, type Position } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import type { Behaviour } from "./Behaviour.ts"
import { commandRules, metadataOf, unavailable } from "./CommandRules.ts"
import type { Caller, CommandReused, Unavailable } from "./Engine.ts"

const codec = EventCodec.make(Delivery.Event, {})

export const decode = (recorded: Parameters<typeof codec.decode>[0]): Delivery.Event => ({
  ...codec.decode(recorded),
  at: recorded.recordedAt
})

/** What people ask of one message on its way out by one channel. */
export const behaviour: Behaviour<Delivery.State, Delivery.Unstamped, Delivery.Command, Delivery.Event, never, never> =
  {
    category: "delivery",
    decider: Delivery.decider,
    encode: codec.encode,
    decode,
    stamp: (command, now) => ({ ...command, now }),
    creates: () => false,
    demands: () => [],
    key: () => "",
    isResident: () => false,
    activity: () => Effect.void,
    wakeAt: () => null
  }

/** Asks for a dead letter to be sent once more; the log says who did, and whoever sends reads it there. */
export class DeliveryCommands extends Context.Service<
  DeliveryCommands,
  {
    readonly retry: (
      delivery: { readonly id: string; readonly channel: string },
      caller: Caller
    ) => Effect.Effect<Position, CommandReused | Unavailable>
    /** Whether this very command was given before. */
    readonly isRepeat: (caller: Caller) => Effect.Effect<boolean, CommandReused | Unavailable>
  }
>()("kintsugi/actors/DeliveryCommands") {
  static readonly layer = Layer.effect(
    DeliveryCommands,
    Effect.gen(function* () {
      const log = yield* EventStore
      const deliveries = yield* Actors.delivery.client
      const { isRepeat, positionOf, timely } = commandRules(log)
      return DeliveryCommands.of({
        isRepeat: (caller) => unavailable(isRepeat(caller)),
        retry: ({ channel, id }, caller) =>
          unavailable(
            timely(
              Effect.gen(function* () {
                const command: Delivery.Unstamped = (yield* isRepeat(caller))
                  ? { _tag: "Read" }
                  : { _tag: "Retry", deliveryId: id, channel }
                return yield* positionOf(`delivery-${id}`, yield* deliveries.execute(id, command, metadataOf(caller)))
              })
            )
          )
      })
    })
  )
}
