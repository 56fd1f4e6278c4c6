import * as Asset from "../domain/Asset.ts"
import { AssetSnapshot } from "../domain/AssetSnapshot.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import type { RecordedEvent } from "../eventstore/EventStore.ts"
import * as StateCodec from "../eventstore/StateCodec.ts"
import type { Behaviour } from "./Behaviour.ts"

export const assetCodec = EventCodec.make(Asset.Event, {})
export const snapshot = StateCodec.make(AssetSnapshot, { revision: 1 })
export const decode = (recorded: RecordedEvent): Asset.Event => ({
  ...assetCodec.decode(recorded),
  at: recorded.recordedAt
})

/** The Asset actor: generations, provenance, and whether the current one is missing. It demands nothing by itself. */
export const behaviour: Behaviour<Asset.State, Asset.Unstamped, Asset.Command, Asset.Event, never, never> = {
  category: "asset",
  decider: Asset.decider,
  encode: assetCodec.encode,
  decode,
  snapshot,
  stamp: (command, now) => ({ ...command, now }),
  creates: () => false,
  demands: () => [],
  key: () => "",
  isResident: () => false,
  activity: (demand) => demand,
  wakeAt: () => null
}
