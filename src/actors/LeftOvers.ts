import { createHash } from "node:crypto"
import { Context, Effect, Fiber, Layer, Scope } from "effect"
import { Stores } from "../capabilities/Stores.ts"
import { assetName } from "../domain/Failure.ts"
import type { Location } from "../domain/Location.ts"
import { step } from "../domain/run/RunState.ts"
import * as Actors from "./Actors.ts"
import { AssetCheck } from "./AssetCheck.ts"
import { LocationIndex } from "./LocationIndex.ts"
import type { Writer } from "./RecentWrites.ts"
import { RunEnds } from "./RunEnds.ts"

/**
 * What an attempt wrote over recorded parts of an asset and never recorded, because it failed, was canceled or did not
 * declare it. When its run has ended the bytes are moved aside and the asset is reported: it is lost, and the next who
 * needs it has it made again. Left in place they would look like somebody else's change after a restart.
 */
export class LeftOvers extends Context.Service<
  LeftOvers,
  { readonly watch: (writer: Writer, writes: ReadonlyArray<Location>) => Effect.Effect<unknown> }
>()("kintsugi/actors/LeftOvers") {
  static readonly layer = Layer.effect(
    LeftOvers,
    Effect.gen(function* () {
      const runs = yield* Actors.run.client
      const ends = yield* RunEnds
      const index = yield* LocationIndex
      const assets = yield* AssetCheck
      const stores = yield* Stores
      const scope = yield* Scope.Scope

      /** Moves one object aside if it still holds what the attempt wrote, and not what the log says of it. */
      const clear = Effect.fnUntraced(function* (writer: Writer, { key, sha256, store }: Location) {
        const ref = yield* index.owner(store, key)
        if (ref === null) return
        const { latest, missing } = yield* assets.read(ref)
        const part = latest?.parts.find((candidate) => candidate.store === store && candidate.key === key)
        if (latest === null || missing !== null || part === undefined || part.sha256 === sha256) return
        const driver = yield* stores.get(store)
        const found = createHash("sha256")
          .update(yield* driver.readBytes(key))
          .digest("hex")
        if (found !== sha256) return
        yield* driver.copy(key, `.quarantine/${writer.runId}/${key}`)
        yield* driver.delete(key)
        yield* assets.reportCorrupt(ref, latest.generation, `${writer.runId}/${writer.stepId}`)
        yield* Effect.logWarning(
          `${store}/${key} of ${assetName(ref)} was overwritten by step ${writer.stepId} of run ${writer.runId}, ` +
            "which did not record it: it was moved aside, and is made again when it is needed"
        )
      })

      const settle = Effect.fnUntraced(function* (writer: Writer, writes: ReadonlyArray<Location>) {
        // Asked for before the run is read: an end in between is not missed.
        const end = yield* Effect.forkChild(ends.next(writer.runId), { startImmediately: true })
        const before = yield* Effect.orDie(runs.execute(writer.runId, { _tag: "Read" }))
        if (before.state.ended === null) yield* Fiber.join(end)
        const { state } = yield* Effect.orDie(runs.execute(writer.runId, { _tag: "Read" }))
        // It went well in the end: what it wrote is recorded, or refused as another asset's.
        if (step(state, writer.stepId).status === "succeeded") return
        yield* Effect.forEach(writes, (location) => Effect.ignore(clear(writer, location)), { discard: true })
      })

      const watch = Effect.fnUntraced(function* (writer: Writer, writes: ReadonlyArray<Location>) {
        const over: Array<Location> = []
        for (const location of writes) {
          const recorded = yield* index.recorded(location.store, location.key)
          if (recorded !== null && recorded.sha256 !== location.sha256) over.push(location)
        }
        if (over.length > 0) yield* settle(writer, over)
      })

      return LeftOvers.of({
        watch: (writer, writes) => (writes.length === 0 ? Effect.void : Effect.forkIn(watch(writer, writes), scope))
      })
    })
  )
}
