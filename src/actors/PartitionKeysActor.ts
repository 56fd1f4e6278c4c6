import { Effect } from "effect"
import * as PartitionKeys from "../domain/PartitionKeys.ts"
import { PartitionKeysSnapshot } from "../domain/PartitionKeysSnapshot.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import type { RecordedEvent } from "../eventstore/EventStore.ts"
import * as StateCodec from "../eventstore/StateCodec.ts"
import type { Behaviour } from "./Behaviour.ts"
import { Definitions, partitioningOf } from "./Definitions.ts"
import { sleepUntil } from "./sleepUntil.ts"

const codec = EventCodec.make(PartitionKeys.Event, {})
/** States of more keys are read from the log: turning them into text would hold up the process. */
const keysKeptMax = 50_000
export const snapshot = StateCodec.make(PartitionKeysSnapshot, {
  revision: 1,
  isKept: ({ days }) => [...days.values()].reduce((sum, count) => sum + count, 0) <= keysKeptMax
})
export const decode = (recorded: RecordedEvent): PartitionKeys.Event => ({
  ...codec.decode(recorded),
  at: recorded.recordedAt
})

/** The keys of one dynamic asset: how many there are, and when the oldest of them is retired (F64, T20). */
export const make = Effect.gen(function* () {
  const definitions = yield* Definitions
  /** As it is declared now: a longer retention holds for keys that are there already. */
  const retentionDays = (assetId: string) => {
    const partitioning = partitioningOf(definitions, assetId)
    return partitioning?.type === "dynamic" ? partitioning.retentionDays : undefined
  }
  const behaviour: Behaviour<
    PartitionKeys.State,
    PartitionKeys.Unstamped,
    PartitionKeys.Command,
    PartitionKeys.Event,
    PartitionKeys.TooManyKeys,
    number
  > = {
    category: "keys",
    decider: PartitionKeys.decider,
    encode: codec.encode,
    decode,
    snapshot,
    stamp: (command, now) => ({ ...command, now }),
    creates: () => false,
    demands: (state) => {
      const at = PartitionKeys.retiresAt(state)
      return at === null ? [] : [at]
    },
    key: (at) => `retire:${at}`,
    isResident: () => false,
    activity: (at, { assetId }, commit) =>
      Effect.andThen(
        sleepUntil(at),
        Effect.suspend(() => commit({ _tag: "Retire", retentionDays: retentionDays(assetId) }))
      ),
    wakeAt: PartitionKeys.retiresAt
  }
  return behaviour
})
