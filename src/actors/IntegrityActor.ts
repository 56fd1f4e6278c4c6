import { Effect } from "effect"
import { type Command, decider, type Unstamped } from "../domain/integrity/IntegrityDecide.ts"
import * as Demand from "../domain/integrity/IntegrityDemand.ts"
import { Event } from "../domain/integrity/IntegrityEvents.ts"
import { IntegritySnapshot } from "../domain/integrity/IntegritySnapshot.ts"
import type { State } from "../domain/integrity/IntegrityState.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import type { RecordedEvent } from "../eventstore/EventStore.ts"
import * as StateCodec from "../eventstore/StateCodec.ts"
import type { Behaviour } from "./Behaviour.ts"
import * as IntegrityRepair from "./IntegrityRepair.ts"
import * as IntegrityScan from "./IntegrityScan.ts"

const codec = EventCodec.make(Event, {})
export const snapshot = StateCodec.make(IntegritySnapshot, { revision: 2 })
export const decode = (recorded: RecordedEvent): Event => ({ ...codec.decode(recorded), at: recorded.recordedAt })

/** The Integrity actor, one a database: which check goes on and how far it is, what was found, and what is repaired. */
export const make = Effect.gen(function* () {
  const { begin, scan } = yield* IntegrityScan.make
  const repair = yield* IntegrityRepair.make

  const behaviour: Behaviour<State, Unstamped, Command, Event, never, Demand.Demand> = {
    category: "integrity",
    decider,
    encode: codec.encode,
    decode,
    snapshot,
    stamp: (command, now) => ({ ...command, now }),
    creates: () => false,
    demands: Demand.demands,
    key: Demand.key,
    isResident: () => true,
    activity: (demand, state, commit) => {
      switch (demand._tag) {
        case "Begin":
          return begin(state, commit)
        case "Scan":
          return scan(state, commit)
        case "Repair":
          return repair(state, commit)
      }
    },
    wakeAt: Demand.wakeAt
  }
  return behaviour
})
