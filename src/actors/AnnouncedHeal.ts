import { Effect } from "effect"
import * as Asset from "../domain/Asset.ts"
import type { AssetRef } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import { isTerminal } from "../domain/recovery/RecoveryState.ts"
import type { PulledFor } from "../domain/Trigger.ts"
import * as Actors from "./Actors.ts"
import * as RecoveryWaiters from "./RecoveryWaiters.ts"
import { Sources } from "./Sources.ts"

/** What a production says of the Recovery that it ends well. */
export interface Heal {
  readonly recoveryId?: string
  readonly pulledFor?: PulledFor
}

/** Tells whether an announcement is the answer to a Recovery that asked the asset's source. */
export const make = Effect.gen(function* () {
  const assets = yield* Actors.asset.client
  const recoveries = yield* Actors.recovery.client
  const sources = yield* Sources
  const { pulledFor } = yield* RecoveryWaiters.make

  /**
   * The open Recovery of the current generation, as of a producer's run: what was lost is healed whatever time the
   * source gives its data, and whoever waits is not told of an update besides.
   */
  const of = Effect.fnUntraced(function* ({ assetId, partitionKey }: AssetRef): Effect.fn.Return<Heal> {
    if (sources.of(assetId) === undefined) return {}
    const { state } = yield* assets.execute(Id.asset(assetId, partitionKey), { _tag: "Read" })
    const generation = Asset.currentGeneration(state)
    const isGone = generation === 0 || state.missing !== null
    const recoveryId = (isGone ? Id.recovery : Id.refresh)(assetId, partitionKey, generation)
    const recovery = yield* Effect.orDie(recoveries.execute(recoveryId, { _tag: "Read" }))
    if (recovery.state.recheck === null || isTerminal(recovery.state)) return {}
    const whom = yield* pulledFor(recovery.state)
    return { recoveryId, ...(whom.length === 0 ? {} : { pulledFor: whom }) }
  })

  return { of }
})
