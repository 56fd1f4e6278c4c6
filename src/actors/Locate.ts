import { hash } from "node:crypto"
import { Context, Duration, Effect, Layer, Random, Schedule } from "effect"
import { Stores } from "../capabilities/Stores.ts"
import { assetName, type AssetRef, type Failure } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import type { Verdict } from "../domain/run/RunCommands.ts"
import { type State as RunState, step, stepDefinition } from "../domain/run/RunState.ts"
import { AssetCheck } from "./AssetCheck.ts"
import { Inputs } from "./Inputs.ts"
import { LocationIndex } from "./LocationIndex.ts"
import { RecentWrites } from "./RecentWrites.ts"
import { RecoveryDesk } from "./RecoveryDesk.ts"
import { StoreHealth } from "./StoreHealth.ts"

/**
 * Leads the failure of an attempt to a declared asset and reports it (F4, T6): first among the step's own inputs, then
 * through the index of locations. A step reports to the Asset, and only what a probe confirms is healed.
 */
export class Locate extends Context.Service<
  Locate,
  {
    readonly locate: (run: RunState, stepId: string, failure: Failure) => Effect.Effect<Verdict>
    /** Whether the failure is the loss of an asset whose healing is switched off: it is retried like any other. */
    readonly isOff: (run: RunState, stepId: string, failure: Failure) => Effect.Effect<boolean>
  }
>()("kintsugi/actors/Locate") {
  static readonly layer = Layer.effect(
    Locate,
    Effect.gen(function* () {
      const assets = yield* AssetCheck
      const inputs = yield* Inputs
      const index = yield* LocationIndex
      const desk = yield* RecoveryDesk
      const health = yield* StoreHealth
      const stores = yield* Stores
      const recentWrites = yield* RecentWrites

      const retry = Effect.map(Random.next, (random): Verdict => ({ type: "retry", random }))

      /** The declared input that has this object among its parts. */
      const amongInputs = Effect.fnUntraced(function* (run: RunState, stepId: string, store: string, key: string) {
        const resolved = yield* Effect.orElseSucceed(inputs.resolve(run, stepId), () => [])
        for (const ref of resolved) {
          const { latest } = yield* assets.read(ref)
          const owned = latest?.parts.some((part) => part.store === store && part.key === key && part.written)
          if (owned === true) return { assetId: ref.assetId, partitionKey: ref.partitionKey }
        }
        return null
      })

      const assetOf = Effect.fnUntraced(function* (run: RunState, stepId: string, failure: Failure) {
        const { key, store } = failure
        if (store !== undefined && key !== undefined) {
          const found = (yield* amongInputs(run, stepId, store, key)) ?? (yield* index.owner(store, key))
          if (found !== null) return found
        }
        return failure.asset ?? null
      })

      /**
       * The bytes are wrong: what was found is moved aside, so that nothing reads it and nothing is lost. A report that
       * comes late is about bytes that have been healed meanwhile, which must not be touched: the generation that the
       * attempt used has to be the current one, and its bytes still wrong. Answers the generation, or that it is healed.
       */
      const quarantine = Effect.fnUntraced(function* (run: RunState, stepId: string, ref: AssetRef, failure: Failure) {
        const { key, store } = failure
        const { latest } = yield* assets.read(ref)
        const part = latest?.parts.find((candidate) => candidate.store === store && candidate.key === key)
        const used = step(run, stepId).inputs.find(
          (input) => Id.asset(input.assetId, input.partitionKey) === Id.asset(ref.assetId, ref.partitionKey)
        )
        if (latest === null || part === undefined || store === undefined || key === undefined) return null
        if (used !== undefined && used.generation !== latest.generation) return "healed" as const
        const driver = yield* stores.get(store)
        // Written since, by whomever: these are not the bytes that were found wrong.
        if (failure.code === "checksum_mismatch" && (yield* driver.stat(key)).etag !== part.etag)
          return "healed" as const
        const digest = hash("sha256", yield* driver.readBytes(key))
        const isOurMistake = failure.code === "checksum_mismatch" || failure.code === "overwritten"
        if (isOurMistake && digest === part.sha256) return "healed" as const
        yield* driver.copy(key, `.quarantine/${run.runId}/${key}`)
        yield* driver.delete(key)
        return latest.generation
      })

      /** Somebody is making the asset: the step looks again when that has ended, which costs it nothing. */
      const awaited = Effect.fnUntraced(function* (run: RunState, stepId: string, ref: AssetRef, failure: Failure) {
        const { key = "", store = "" } = failure
        const deadlineMs = stepDefinition(run, stepId)?.recovery.deadlineMs ?? 0
        const isBeingMade = recentWrites.isBeingMade(ref, store, key, { runId: run.runId, stepId })
        return yield* Effect.repeat(isBeingMade, {
          while: (still) => still,
          schedule: Schedule.spaced("100 millis")
        }).pipe(
          Effect.as<Verdict>({ type: "again" }),
          Effect.timeoutOrElse({ duration: Duration.millis(deadlineMs), orElse: () => retry })
        )
      })

      const locate: Locate["Service"]["locate"] = Effect.fnUntraced(function* (run, stepId, failure) {
        const ref = yield* assetOf(run, stepId, failure)
        if (ref === null) {
          const where = failure.key === undefined ? "" : ` (${failure.store}/${failure.key})`
          const message = `step ${stepId} misses something that belongs to no declared asset${where}: ${failure.message}`
          return { type: "fail", failure: { ...failure, code: "no_producer", message } }
        }
        if (desk.isOff(ref)) return yield* retry
        if (failure.code === "unrecorded_write") return yield* awaited(run, stepId, ref, failure)
        const reportedBy = `${run.runId}/${stepId}/${step(run, stepId).attempt}`
        if (failure.class === "corrupt") {
          const moved = yield* Effect.result(quarantine(run, stepId, ref, failure))
          if (moved._tag === "Failure") {
            const { failure: error } = moved
            if (error._tag === "StoreError" && error.failure.class === "store_unavailable") {
              yield* health.observe(error.failure)
              return { type: "wait", waitingFor: { type: "store", store: error.failure.store ?? "" } }
            }
          } else if (moved.success === "healed") return yield* retry
          else if (moved.success !== null) yield* assets.reportCorrupt(ref, moved.success, reportedBy)
        }
        const asserted = failure.key === undefined
        const reality = yield* assets.check(ref, { reportedBy, asserted })
        if (reality.status === "present") {
          // It is there after all: the attempt counts as transient, so that this cannot loop.
          return yield* retry
        }
        return yield* desk.report(run, stepId, ref, reality)
      })

      return Locate.of({
        // Nearly always nothing is off, and the index need not be asked before the failure is recorded.
        isOff: (run, stepId, failure) =>
          (failure.class === "asset_missing" || failure.class === "corrupt") && desk.isAnyOff()
            ? Effect.map(assetOf(run, stepId, failure), (ref) => ref !== null && desk.isOff(ref))
            : Effect.succeed(false),
        locate: (run, stepId, failure) =>
          Effect.annotateLogs(locate(run, stepId, failure), {
            missed: assetName(failure.asset ?? { assetId: failure.key ?? "?", partitionKey: "" })
          })
      })
    })
  )
}
