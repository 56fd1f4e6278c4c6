import { Effect } from "effect"
import * as Attention from "../domain/Attention.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import type { Behaviour } from "./Behaviour.ts"

const codec = EventCodec.make(Attention.Event, {})

/** One thing that needs a human: who raised it, how often it came back, and until when nobody wants to hear of it. */
export const behaviour: Behaviour<
  Attention.State,
  Attention.Unstamped,
  Attention.Command,
  Attention.Event,
  never,
  never
> = {
  category: "attention",
  decider: Attention.decider,
  encode: codec.encode,
  decode: (recorded) => ({ ...codec.decode(recorded), at: recorded.recordedAt }),
  stamp: (command, now) => ({ ...command, now }),
  creates: () => false,
  demands: () => [],
  key: () => "",
  isResident: () => false,
  activity: () => Effect.void,
  wakeAt: () => null
}
