import { Context, Effect, Layer, Random } from "effect"
import { assetName, type AssetRef, type Failure } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import type { Waiter } from "../domain/recovery/RecoveryEvents.ts"
import type { State as RecoveryState } from "../domain/recovery/RecoveryState.ts"
import type { Verdict } from "../domain/run/RunCommands.ts"
import { allSteps, causesHeal, type State as RunState, step, stepDefinition } from "../domain/run/RunState.ts"
import * as ActorTrace from "./ActorTrace.ts"
import * as Actors from "./Actors.ts"
import type { Reality } from "./AssetCheck.ts"
import { Definitions } from "./Definitions.ts"

/** How deep the chain of recoveries is followed when a cycle is looked for. */
const chainMax = 1_000

/**
 * Where a missing asset is taken: asks for its Recovery, or joins it, on behalf of a step or of another Recovery.
 */
export class RecoveryDesk extends Context.Service<
  RecoveryDesk,
  {
    /** What a step does about an asset that a probe found not to be there. */
    readonly report: (
      run: RunState,
      stepId: string,
      ref: AssetRef,
      reality: Exclude<Reality, { readonly status: "present" }>
    ) => Effect.Effect<Verdict>
    /** What a step does about an asset whose current generation is too old for it: made again, once for all who wait. */
    readonly refresh: (run: RunState, stepId: string, ref: AssetRef, generation: number) => Effect.Effect<Verdict>
    readonly join: (options: {
      readonly ref: AssetRef
      readonly generation: number
      readonly refresh?: boolean
      readonly waiter: Waiter | undefined
      readonly priority: number
      readonly reopen: boolean
    }) => Effect.Effect<RecoveryState>
    /** Whether the recovery waits, directly or through others, for the one named. */
    readonly waitsFor: (recoveryId: string, awaited: string) => Effect.Effect<boolean>
    /** Whether healing this asset is switched off, by its producing workflow or by the asset itself (F40). */
    readonly isOff: (ref: AssetRef) => boolean
    /** Whether healing is switched off for any asset at all. */
    readonly isAnyOff: () => boolean
  }
>()("kintsugi/actors/RecoveryDesk") {
  static readonly layer = Layer.effect(
    RecoveryDesk,
    Effect.gen(function* () {
      const recoveries = yield* Actors.recovery.client
      const runs = yield* Actors.run.client
      const definitions = yield* Definitions

      const isOff = (ref: AssetRef) => {
        const producers = definitions.producersOf(ref.assetId)
        return (
          producers.length > 0 &&
          producers.every(({ defined, produces }) => !defined.definition.recovery.enabled || !produces.recovery.enabled)
        )
      }

      const isAnyOff = () =>
        definitions
          .all()
          .some(
            ({ definition }) =>
              !definition.recovery.enabled ||
              definition.steps.some(({ produces }) => produces.some(({ recovery }) => !recovery.enabled))
          )

      const join: RecoveryDesk["Service"]["join"] = (options) => {
        const { generation, priority, ref, refresh = false, reopen, waiter } = options
        const idOf = refresh ? Id.refresh : Id.recovery
        const recoveryId = idOf(ref.assetId, ref.partitionKey, generation)
        const producer = definitions.producersOf(ref.assetId)[0]
        const command = {
          _tag: "Join" as const,
          recoveryId,
          assetId: ref.assetId,
          partitionKey: ref.partitionKey,
          generation,
          refresh,
          waiter,
          priority,
          reopen,
          producerVersion: producer?.defined.version
        }
        const answered = Effect.flatMap(ActorTrace.metadata, (metadata) =>
          recoveries.execute(recoveryId, command, metadata)
        )
        // A Join is never rejected.
        return Effect.map(Effect.orDie(answered), ({ state }) => state)
      }

      /** The recoveries that this one waits for: of missing inputs, and those its producer's run waits for. */
      const awaitedBy = Effect.fnUntraced(function* (recoveryId: string) {
        const { state } = yield* Effect.orDie(recoveries.execute(recoveryId, { _tag: "Read" }))
        const awaited = [...state.parents]
        if (state.producerRunId === null || state.status !== "running") return awaited
        const producer = yield* Effect.orDie(runs.execute(state.producerRunId, { _tag: "Read" }))
        for (const [, { status, waitingFor }] of allSteps(producer.state)) {
          if (status === "waiting" && waitingFor?.recoveryId !== undefined) awaited.push(waitingFor.recoveryId)
        }
        return awaited
      })

      const waitsFor = Effect.fnUntraced(function* (recoveryId: string, awaited: string) {
        const seen = new Set<string>()
        const open = [recoveryId]
        while (open.length > 0 && seen.size < chainMax) {
          const next = open.pop()!
          if (next === awaited) return true
          if (seen.has(next)) continue
          seen.add(next)
          open.push(...(yield* awaitedBy(next)))
        }
        return false
      })

      const cycle = (ref: AssetRef): Failure => ({
        class: "asset_missing",
        code: "cycle",
        message: `${assetName(ref)} cannot be remade: its recovery would wait for itself`,
        asset: { assetId: ref.assetId, partitionKey: ref.partitionKey }
      })

      const report: RecoveryDesk["Service"]["report"] = Effect.fnUntraced(function* (run, stepId, ref, reality) {
        if (reality.status === "unavailable") {
          const { failure } = reality
          // Only this object cannot be looked at, the store answers: that is no outage to wait for.
          if (failure.class === "transient") return { type: "retry" as const, random: yield* Random.next }
          if (failure.class !== "store_unavailable") return { type: "fail" as const, failure }
          return { type: "wait" as const, waitingFor: { type: "store" as const, store: reality.store } }
        }
        const first = reality.status === "never"
        // As without recovery: the attempt counts as transient.
        if (isOff(ref)) return { type: "retry" as const, random: yield* Random.next }
        return yield* awaited(run, stepId, { ref, generation: first ? 0 : reality.generation, refresh: false })
      })

      const refresh: RecoveryDesk["Service"]["refresh"] = (run, stepId, ref, generation) =>
        awaited(run, stepId, { ref, generation, refresh: true })

      /** Joins the recovery for the step: the step waits for it, or is told how it ended. */
      const awaited = Effect.fnUntraced(function* (
        run: RunState,
        stepId: string,
        { generation, ref, refresh }: { readonly ref: AssetRef; readonly generation: number; readonly refresh: boolean }
      ): Effect.fn.Return<Verdict> {
        const idOf = refresh ? Id.refresh : Id.recovery
        const recoveryId = idOf(ref.assetId, ref.partitionKey, generation)
        // A producer's run that misses what it is to remake, directly or through others, would wait for itself (T2).
        const own = run.trigger.type === "recovery" ? run.trigger.recoveryId : null
        if (own !== null && (yield* waitsFor(recoveryId, own))) return { type: "fail" as const, failure: cycle(ref) }
        const waitingFor = {
          type: refresh || generation === 0 ? ("input" as const) : ("recovery" as const),
          recoveryId,
          assetId: ref.assetId,
          partitionKey: ref.partitionKey
        }
        // One heal too many is not asked for: the run itself says that its ceiling is reached.
        const ceiling = stepDefinition(run, stepId)?.recovery.ceilingPerRun ?? Number.POSITIVE_INFINITY
        if (run.heals >= ceiling && causesHeal(run, stepId, waitingFor)) return { type: "wait" as const, waitingFor }
        const state = yield* join({
          ref,
          generation,
          refresh,
          waiter: { runId: run.runId, stepId },
          priority: run.priority,
          reopen: step(run, stepId).reopen
        })
        if (state.status === "succeeded") return { type: "again" as const }
        if (state.status === "failed" || state.status === "canceled") {
          const asset = { assetId: ref.assetId, partitionKey: ref.partitionKey }
          const what = refresh ? "refresh" : "recovery"
          const message = `step ${stepId} needs ${assetName(ref)}, whose ${what} has failed: ${state.failure?.message ?? state.status}`
          const code = (refresh ? state.failure?.code : state.reasonCode) ?? "budget_exhausted"
          return { type: "fail" as const, failure: { class: "asset_missing" as const, code, message, asset } }
        }
        return { type: "wait" as const, waitingFor }
      })

      return RecoveryDesk.of({ report, refresh, join, waitsFor, isOff, isAnyOff })
    })
  )
}
