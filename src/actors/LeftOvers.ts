import { hash } from "node:crypto"
import { Context, Effect, Layer, Schedule } from "effect"
import { Stores } from "../capabilities/Stores.ts"
import { assetName } from "../domain/Failure.ts"
import type { ObjectRef } from "../domain/run/RunEvents.ts"
import { AssetCheck } from "./AssetCheck.ts"
import { LocationIndex } from "./LocationIndex.ts"
import { RecentWrites, type Writer } from "./RecentWrites.ts"
import { StoreHealth } from "./StoreHealth.ts"

/** How often a store is asked again that answers with a passing fault. */
const transientRetries = 5

/**
 * What a step's attempts wrote over recorded parts of assets and never recorded, because they failed, were canceled or
 * were cut off. When the run has ended the bytes are moved aside and the asset is reported: it is lost, and the next who
 * needs it has it made again. Left in place they would look like somebody else's change.
 */
export class LeftOvers extends Context.Service<
  LeftOvers,
  {
    /**
     * Moves each object aside whose bytes are not those that its asset's newest generation says. Waits for a store that
     * is away; what a store refuses for good stays where it is, and the log tells.
     */
    readonly clear: (writer: Writer, objects: ReadonlyArray<ObjectRef>) => Effect.Effect<void>
  }
>()("kintsugi/actors/LeftOvers") {
  static readonly layer = Layer.effect(
    LeftOvers,
    Effect.gen(function* () {
      const index = yield* LocationIndex
      const assets = yield* AssetCheck
      const stores = yield* Stores
      const health = yield* StoreHealth
      const recentWrites = yield* RecentWrites

      const move = Effect.fnUntraced(function* (writer: Writer, { key, store }: ObjectRef) {
        const ref = yield* index.owner(store, key)
        if (ref === null) return
        const { latest, missing } = yield* assets.read(ref)
        const part = latest?.parts.find((candidate) => candidate.store === store && candidate.key === key)
        if (latest === null || missing !== null || part === undefined) return
        const driver = yield* stores.get(store)
        yield* health.guard(store)
        const found = hash("sha256", yield* driver.readBytes(key))
        if (found === part.sha256 || recentWrites.isTakenOver(store, key, writer)) return
        yield* driver.copy(key, `.quarantine/${writer.runId}/${key}`)
        yield* driver.delete(key)
        yield* assets.reportCorrupt(ref, latest.generation, `${writer.runId}/${writer.stepId}`)
        yield* Effect.logWarning(
          `${store}/${key} of ${assetName(ref)} was overwritten by step ${writer.stepId} of run ${writer.runId}, ` +
            "which did not record it: it was moved aside, and is made again when it is needed"
        )
      })

      const clear = (writer: Writer, object: ObjectRef): Effect.Effect<void> =>
        move(writer, object).pipe(
          Effect.retry({
            times: transientRetries,
            schedule: Schedule.exponential("200 millis"),
            while: (error) => error._tag === "StoreError" && error.failure.class === "transient"
          }),
          Effect.catch((error) => {
            const failure = error._tag === "StoreError" ? error.failure : undefined
            // It is not there: whoever needs it finds that it is lost.
            if (failure?.class === "asset_missing") return Effect.void
            if (failure?.class === "store_unavailable") {
              return health
                .observe({ ...failure, store: object.store })
                .pipe(
                  Effect.andThen(health.awaitReady(object.store)),
                  Effect.andThen(Effect.suspend(() => clear(writer, object)))
                )
            }
            const step = `step ${writer.stepId} of run ${writer.runId}`
            return Effect.logWarning(
              `what ${step} left in ${object.store}/${object.key} could not be moved aside`,
              error
            )
          })
        )

      return LeftOvers.of({
        clear: (writer, objects) => Effect.forEach(objects, (object) => clear(writer, object), { discard: true })
      })
    })
  )
}
