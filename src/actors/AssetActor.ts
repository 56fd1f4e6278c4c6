import { Effect } from "effect"
import * as Asset from "../domain/Asset.ts"
import { AssetSnapshot } from "../domain/AssetSnapshot.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import type { RecordedEvent } from "../eventstore/EventStore.ts"
import * as StateCodec from "../eventstore/StateCodec.ts"
import type { Behaviour } from "./Behaviour.ts"
import { sleepUntil } from "./sleepUntil.ts"

export const assetCodec = EventCodec.make(Asset.Event, {})
export const snapshot = StateCodec.make(AssetSnapshot, { revision: 1 })
export const decode = (recorded: RecordedEvent): Asset.Event => ({
  ...assetCodec.decode(recorded),
  at: recorded.recordedAt
})

/** The one thing that an Asset waits for: the end of its generation's freshness, epoch ms. */
type Demand = number

/** The Asset actor: productions, generations, what is known to be missing, and when it stops being fresh (F57). */
export const behaviour: Behaviour<Asset.State, Asset.Unstamped, Asset.Command, Asset.Event, never, Demand> = {
  category: "asset",
  decider: Asset.decider,
  encode: assetCodec.encode,
  decode,
  snapshot,
  stamp: (command, now) => ({ ...command, now }),
  creates: () => false,
  demands: ({ expiry }) => (expiry === null ? [] : [expiry.at]),
  key: (at) => `expiry:${at}`,
  isResident: () => false,
  activity: (at, _, commit) => Effect.andThen(sleepUntil(at), commit({ _tag: "Expire" })),
  wakeAt: ({ expiry }) => expiry?.at ?? null
}
