import { Effect } from "effect"
import { Stores } from "../capabilities/Stores.ts"
import * as Asset from "../domain/Asset.ts"
import * as Id from "../domain/Id.ts"
import type { Unstamped } from "../domain/integrity/IntegrityDecide.ts"
import type { RepairTarget } from "../domain/integrity/IntegrityEvents.ts"
import type { Repair, State } from "../domain/integrity/IntegrityState.ts"
import { isTerminal } from "../domain/recovery/RecoveryState.ts"
import * as Actors from "./Actors.ts"
import { AssetCheck } from "./AssetCheck.ts"
import type { Commit } from "./Behaviour.ts"
import * as PartProbe from "./PartProbe.ts"
import { RecoveryDesk } from "./RecoveryDesk.ts"

const joinsAtOnce = 8
/** How often a recovery is looked at that has not ended. */
const lookAgain = "500 millis"
/** Nobody waits for it: as urgent as a run that somebody starts. */
const priority = 100

/**
 * Has made again what a check has found: it asks for the same Recoveries that a step would ask for, and never touches an
 * asset itself, but for moving wrong bytes aside.
 */
export const make = Effect.gen(function* () {
  const stores = yield* Stores
  const assets = yield* AssetCheck
  const desk = yield* RecoveryDesk
  const recoveries = yield* Actors.recovery.client
  const { look } = yield* PartProbe.make

  const idOf = ({ assetId, generation, partitionKey, repair }: RepairTarget) =>
    repair === "refresh"
      ? Id.refresh(assetId, partitionKey, generation)
      : Id.recovery(assetId, partitionKey, generation)

  const recovery = (id: string) =>
    Effect.map(Effect.orDie(recoveries.execute(id, { _tag: "Read" })), ({ state }) => state)

  /** What is found to be wrong now is moved aside, so that nothing reads it and nothing is lost. */
  const moveAside = Effect.fnUntraced(function* (target: RepairTarget, repair: number) {
    const ref = { assetId: target.assetId, partitionKey: target.partitionKey }
    const { latest } = yield* assets.read(ref)
    if (latest?.generation !== target.generation) return
    let moved = 0
    for (const part of latest.parts) {
      const verdict = yield* look(ref, part, true)
      if (verdict.status !== "truncated" && verdict.status !== "corrupt") continue
      const store = yield* stores.get(part.store)
      yield* store.copy(part.key, `.quarantine/integrity-${repair}/${part.key}`)
      yield* store.delete(part.key)
      moved++
    }
    if (moved > 0) yield* assets.reportCorrupt(ref, latest.generation, "integrity")
  })

  const ask = (target: RepairTarget, { repair, requestedAt }: Repair) =>
    Effect.gen(function* () {
      const before = yield* recovery(idOf(target))
      // After a crash: what this repair has asked for already goes on, or has ended.
      const isAsked = before.round > 0 && (!isTerminal(before) || (before.finishedAt ?? 0) >= requestedAt)
      if (isAsked) return
      if (target.repair === "quarantine") yield* moveAside(target, repair)
      const ref = { assetId: target.assetId, partitionKey: target.partitionKey }
      const state = yield* assets.read(ref)
      // Made again since it was found.
      if (Asset.currentGeneration(state) !== target.generation) return
      yield* desk.join({
        ...{ ref, generation: target.generation, refresh: target.repair === "refresh", waiter: undefined },
        ...{ priority, reopen: true }
      })
    }).pipe(
      // One that cannot be asked for does not keep the others: the check that follows finds it again.
      Effect.catch((error) => Effect.logWarning(`${target.assetId} cannot be repaired`, error))
    )

  const endOf = Effect.fnUntraced(function* (target: RepairTarget) {
    while (true) {
      const state = yield* recovery(idOf(target))
      if (state.round === 0 || isTerminal(state)) return state
      yield* Effect.sleep(lookAgain)
    }
  })

  return Effect.fnUntraced(function* ({ repair: wanted }: State, commit: Commit<State, Unstamped, never>) {
    if (wanted === null) return
    const { repair, targets } = wanted
    yield* Effect.forEach(targets, (target) => ask(target, wanted), { concurrency: joinsAtOnce, discard: true })
    let healed = 0
    for (const target of targets) if ((yield* endOf(target)).status === "succeeded") healed++
    yield* commit({ _tag: "EndRepair", repair, healed, failed: targets.length - healed })
  })
})
