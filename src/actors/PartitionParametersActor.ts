import { Effect } from "effect"
import * as PartitionParameters from "../domain/PartitionParameters.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import type { Behaviour } from "./Behaviour.ts"

const codec = EventCodec.make(PartitionParameters.Event, {})

/** The parameters that are stored for one workflow and partition. */
export const behaviour: Behaviour<
  PartitionParameters.State,
  PartitionParameters.Command,
  PartitionParameters.Command,
  PartitionParameters.Event,
  never,
  never
> = {
  category: "partition",
  decider: PartitionParameters.decider,
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
