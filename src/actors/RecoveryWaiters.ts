import { Effect } from "effect"
import { type State, waiters } from "../domain/recovery/RecoveryState.ts"
import { idOf } from "../domain/materialization/MaterializationDecide.ts"
import { allSteps } from "../domain/run/RunState.ts"
import { type PulledFor, pulledForMax, pulledForOf } from "../domain/Trigger.ts"
import * as Actors from "./Actors.ts"
import { Definitions } from "./Definitions.ts"
import { RecentWrites } from "./RecentWrites.ts"
import { RecoveryDesk } from "./RecoveryDesk.ts"

/** Waiters that are asked for whom they wait. */
const askedMax = 100

/** Whom a Recovery works for, and who may be doing its work already. */
export const make = Effect.gen(function* () {
  const runs = yield* Actors.run.client
  const recoveries = yield* Actors.recovery.client
  const materializations = yield* Actors.materialization.client
  const definitions = yield* Definitions
  const desk = yield* RecoveryDesk
  const recent = yield* RecentWrites

  /**
   * For whom the recovery's asset is made: the partitions whose steps wait, and those for whom they were started. What
   * was never there is made for the whole workflow: none of its other partitions can have used it. A heal is for
   * everybody who used what was lost: with other bytes it is an update like any other.
   */
  const pulledFor = Effect.fnUntraced(function* (recovery: State): Effect.fn.Return<PulledFor> {
    const found = new Map<string, PulledFor[number]>()
    const seen = new Set<string>()
    const open: Array<State> = [recovery]
    const isFirst = recovery.lostGeneration === 0
    if (!isFirst && !recovery.refresh) return []
    const add = (who: PulledFor[number]) => {
      if (found.size < pulledForMax) found.set(`${who.workflow}\n${who.partitionKey ?? "*"}`, who)
    }
    while (open.length > 0 && seen.size < askedMax) {
      const next = open.pop()!
      if (seen.has(next.recoveryId)) continue
      seen.add(next.recoveryId)
      for (const waiter of waiters(next, 0, Math.min(next.waiterCount, askedMax))) {
        if ("recoveryId" in waiter) {
          open.push((yield* Effect.orDie(recoveries.execute(waiter.recoveryId, { _tag: "Read" }))).state)
          continue
        }
        const { state } = yield* Effect.orDie(runs.execute(waiter.runId, { _tag: "Read" }))
        for (const who of pulledForOf(state.trigger)) add(who)
        // A producer's run waits for others, who are named by its trigger.
        if (state.trigger.type === "recovery") continue
        add(
          isFirst ? { workflow: state.workflow } : { workflow: state.workflow, partitionKey: state.partitionKey ?? "" }
        )
      }
    }
    return [...found.values()]
  })

  /** Whether the automatic run goes on without waiting for this recovery. */
  const goesOn = Effect.fnUntraced(function* (runId: string, recovery: State) {
    const { state } = yield* Effect.orDie(runs.execute(runId, { _tag: "Read" }))
    if (state.definition === null || state.ended !== null) return false
    for (const [, { status, waitingFor }] of allSteps(state)) {
      if (status !== "waiting" || waitingFor?.recoveryId === undefined) continue
      if (yield* desk.waitsFor(waitingFor.recoveryId, recovery.recoveryId)) return false
    }
    return true
  })

  /** Whether somebody else makes the asset partition now: an attempt of any run, or an automatic run under way. */
  const isMadeByOthers = Effect.fnUntraced(function* (recovery: State) {
    const { assetId, partitionKey } = recovery
    if (recent.isMaking({ assetId, partitionKey }, recovery.producerRunId)) return true
    for (const { defined } of definitions.producersOf(assetId)) {
      const { state } = yield* materializations.execute(idOf(defined.slug, partitionKey), {
        _tag: "Read"
      })
      if (state.active !== null && (yield* goesOn(state.active.runId, recovery))) return true
    }
    return false
  })

  return { pulledFor, isMadeByOthers }
})
