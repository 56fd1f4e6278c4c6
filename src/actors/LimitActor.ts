import { Effect } from "effect"
import * as Limit from "../domain/Limit.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import type { Behaviour } from "./Behaviour.ts"
import { Limits } from "./Limits.ts"
import { sleepUntil } from "./sleepUntil.ts"

const codec = EventCodec.make(Limit.Event, {})

/** The Limit actor: slots of one workflow-wide limit. Leases that ran out are taken back when their time has come. */
export const make = Effect.gen(function* () {
  const limits = yield* Limits
  const behaviour: Behaviour<Limit.State, Limit.Command, Limit.Command, Limit.Event, never, number> = {
    category: "limit",
    decider: Limit.decider,
    encode: codec.encode,
    decode: (recorded) => ({ ...codec.decode(recorded), at: recorded.recordedAt }),
    stamp: (command, now) => ({ ...command, now }),
    creates: () => false,
    demands: (state) => {
      const expiresAt = Limit.nextExpiry(state)
      return expiresAt === null ? [] : [expiresAt]
    },
    key: (expiresAt) => `expire:${expiresAt}`,
    isResident: () => false,
    activity: (expiresAt, _, commit) => Effect.andThen(sleepUntil(expiresAt), commit({ _tag: "Expire", now: 0 })),
    wakeAt: Limit.nextExpiry,
    settled: (actorId, state) => limits.granted(actorId, (holder) => Limit.holds(state, holder))
  }
  return behaviour
})
