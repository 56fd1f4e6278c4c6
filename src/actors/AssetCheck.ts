import { Context, Deferred, Effect, Layer, Scope } from "effect"
import { Stores } from "../capabilities/Stores.ts"
import * as Asset from "../domain/Asset.ts"
import type { AssetRef, Failure } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import type { Part } from "../domain/Production.ts"
import * as Actors from "./Actors.ts"
import * as AnnouncedBytes from "./AnnouncedBytes.ts"
import { StoreHealth } from "./StoreHealth.ts"

/** What a look at reality says about the current generation of an asset partition. */
export type Reality =
  | { readonly status: "present"; readonly state: Asset.State }
  | {
      readonly status: "missing"
      readonly state: Asset.State
      readonly generation: number
      /** Of an announced asset: the part in whose place there are other bytes, which nobody has announced. */
      readonly replaced?: Part
    }
  /** Never produced: generation 0. */
  | { readonly status: "never"; readonly state: Asset.State }
  | { readonly status: "unavailable"; readonly state: Asset.State; readonly store: string; readonly failure: Failure }

type PartStatus =
  | { readonly status: "present" | "absent" | "replaced"; readonly part: Part }
  | { readonly status: "unavailable"; readonly part: Part; readonly failure: Failure }

const probesAtOnce = 8

/**
 * Compares what the log says of an asset with what the store holds, and tells the Asset what was found: only the
 * Asset knows the generation, and only a probe may say that it is lost (DESIGN, section 3).
 */
export class AssetCheck extends Context.Service<
  AssetCheck,
  {
    readonly read: (ref: AssetRef) => Effect.Effect<Asset.State>
    /**
     * Probes every part. `reportedBy` names the asker in the log. `asserted`: the asker knows that the asset is gone,
     * which counts for an asset without parts: nothing of it can be probed. An asset that was announced and lost is
     * present again only with the bytes that were recorded.
     */
    readonly check: (
      ref: AssetRef,
      options: { readonly reportedBy: string; readonly asserted?: boolean }
    ) => Effect.Effect<Reality>
    /** Notes that the current generation's bytes are wrong; its part has been moved aside. */
    readonly reportCorrupt: (ref: AssetRef, generation: number, reportedBy: string) => Effect.Effect<void>
  }
>()("kintsugi/actors/AssetCheck") {
  static readonly layer = Layer.effect(
    AssetCheck,
    Effect.gen(function* () {
      const stores = yield* Stores
      const health = yield* StoreHealth
      const assets = yield* Actors.asset.client
      const scope = yield* Scope.Scope
      const inFlight = new Map<string, Deferred.Deferred<Reality>>()
      const { isAsRecorded } = yield* AnnouncedBytes.make

      const id = (ref: AssetRef) => Id.asset(ref.assetId, ref.partitionKey)
      const read = (ref: AssetRef) => Effect.map(assets.execute(id(ref), { _tag: "Read" }), ({ state }) => state)

      const probePart = (part: Part, isCompared: boolean): Effect.Effect<PartStatus> =>
        Effect.gen(function* () {
          yield* health.guard(part.store)
          const store = yield* stores.get(part.store)
          if (isCompared) return { status: (yield* isAsRecorded(part, store)) ? "present" : "replaced", part } as const
          yield* store.stat(part.key)
          return { status: "present" as const, part }
        }).pipe(
          Effect.catch((error): Effect.Effect<PartStatus> => {
            // A store that the app no longer names cannot be looked at: that is no proof of a loss.
            if (error._tag === "UnknownStore") {
              const { message, store } = error
              const failure: Failure = { class: "permanent", code: "unknown_store", message, store }
              return Effect.succeed({ status: "unavailable", part, failure })
            }
            const { failure } = error
            return failure.class === "asset_missing"
              ? Effect.succeed({ status: "absent", part })
              : Effect.as(health.observe(failure), { status: "unavailable", part, failure })
          })
        )

      const reportMissing = Effect.fnUntraced(function* (
        ref: AssetRef,
        generation: number,
        reason: "missing" | "corrupt",
        reportedBy: string,
        part?: Part
      ) {
        const { state } = yield* assets.execute(id(ref), {
          _tag: "ReportMissing",
          ...ref,
          generation,
          reason,
          store: part?.store,
          key: part?.key,
          reportedBy
        })
        return state
      })

      const probe = Effect.fnUntraced(function* (
        ref: AssetRef,
        options: { readonly reportedBy: string; readonly asserted?: boolean }
      ): Effect.fn.Return<Reality> {
        const state = yield* read(ref)
        const { latest, missing } = state
        if (latest === null) return { status: "never", state }
        const { generation, parts } = latest
        if (parts.length === 0) {
          if (missing === null && options.asserted !== true) return { status: "present", state }
          const noted = yield* reportMissing(ref, generation, "missing", options.reportedBy)
          return { status: "missing", state: noted, generation }
        }
        const isCompared = AnnouncedBytes.isAwaited(state)
        const statuses = yield* Effect.forEach(parts, (part) => probePart(part, isCompared), {
          concurrency: probesAtOnce
        })
        for (const status of statuses) {
          if (status.status === "unavailable") {
            return { status: "unavailable", state, store: status.part.store, failure: status.failure }
          }
        }
        const absent = statuses.find(({ status }) => status === "absent")
        const store = (absent ?? statuses[0]!).part.store
        yield* health.noteProbe(store, id(ref), absent !== undefined)
        const replaced = statuses.find(({ status }) => status === "replaced")?.part
        if (absent === undefined) {
          // Seen as lost, and announced anew while its parts were compared: those were of the older generation.
          if (replaced !== undefined && Asset.currentGeneration(yield* read(ref)) !== generation) {
            return yield* probe(ref, options)
          }
          if (replaced !== undefined) return { status: "missing", state, generation, replaced }
          if (missing === null) return { status: "present", state }
          const verified = yield* assets.execute(id(ref), { _tag: "ReportPresent", ...ref, generation })
          return { status: "present", state: verified.state }
        }
        // The object is not there; that is a loss only if the store itself is.
        if ((yield* health.confirmRoot(store)) === "unavailable") {
          const message = `store ${store} is unavailable`
          return {
            status: "unavailable",
            state,
            store,
            failure: { class: "store_unavailable", code: "root_unavailable", message, store }
          }
        }
        const noted = yield* reportMissing(ref, generation, "missing", options.reportedBy, absent.part)
        // Meanwhile remade: the report was about an older generation.
        if (Asset.currentGeneration(noted) !== generation) return yield* probe(ref, options)
        return { status: "missing", state: noted, generation, ...(replaced === undefined ? {} : { replaced }) }
      })

      return AssetCheck.of({
        read,
        // Ten thousand waiters of one lost asset ask at once: one probe answers all who ask while it is under way.
        check: (ref, options) =>
          Effect.suspend(() => {
            const key = `${id(ref)}/${options.asserted === true}`
            const known = inFlight.get(key)
            if (known !== undefined) return Deferred.await(known)
            const shared = Deferred.makeUnsafe<Reality>()
            inFlight.set(key, shared)
            // In a fiber of its own: an asker that gives up does not end the probe of the others.
            return probe(ref, options).pipe(
              Effect.onExit((exit) => {
                inFlight.delete(key)
                return Deferred.done(shared, exit)
              }),
              Effect.forkIn(scope),
              Effect.andThen(Deferred.await(shared))
            )
          }),
        reportCorrupt: (ref, generation, reportedBy) =>
          Effect.asVoid(reportMissing(ref, generation, "corrupt", reportedBy))
      })
    })
  )
}
