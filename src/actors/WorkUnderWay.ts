import { Effect } from "effect"
import * as Asset from "../domain/Asset.ts"
import type { AssetRef } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import { isTerminal } from "../domain/recovery/RecoveryState.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { AssetInventory } from "./AssetInventory.ts"
import { Definitions } from "./Definitions.ts"
import { RecentWrites } from "./RecentWrites.ts"

/** Who works on an asset now: while somebody does, nothing is to be said of it (F74). */
export const make = Effect.gen(function* () {
  const recent = yield* RecentWrites
  const definitions = yield* Definitions
  const inventory = yield* AssetInventory
  const recoveries = yield* Actors.recovery.client

  const isRecovering = Effect.fnUntraced(function* (recoveryId: string) {
    const { state } = yield* Effect.orDie(recoveries.execute(recoveryId, { _tag: "Read" }))
    return state.round > 0 && !isTerminal(state)
  })

  /** Whether a run that has not ended has yet to make the asset. */
  const isMade = Effect.fnUntraced(function* ({ assetId, partitionKey }: AssetRef, runPartition: string) {
    for (const { defined, step } of definitions.producersOf(assetId)) {
      for (const runId of yield* inventory.openRuns(defined.slug, runPartition || partitionKey)) {
        if (yield* recent.isUnsettled({ runId, stepId: step.id })) return true
      }
    }
    return false
  })

  /** An attempt makes the asset, a run is about to, or a Recovery of its current generation goes on. */
  const isGoingOn = Effect.fnUntraced(function* (
    ref: AssetRef,
    state: Asset.State
  ): Effect.fn.Return<boolean, LogUnavailable> {
    if (recent.isMaking(ref, null)) return true
    const generation = Asset.currentGeneration(state)
    if (yield* isRecovering(Id.recovery(ref.assetId, ref.partitionKey, generation))) return true
    if (generation > 0 && (yield* isRecovering(Id.refresh(ref.assetId, ref.partitionKey, generation)))) return true
    return yield* isMade(ref, state.latest?.runPartitionKey ?? "")
  })

  return { isGoingOn }
})
