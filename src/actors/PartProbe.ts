import { hash } from "node:crypto"
import { Effect, Semaphore } from "effect"
import type { ObjectStore } from "../capabilities/ObjectStore.ts"
import { Stores } from "../capabilities/Stores.ts"
import { verifiedRead } from "../capabilities/verifiedRead.ts"
import type { AssetRef } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import type { Part } from "../domain/Production.ts"
import { LocationIndex } from "./LocationIndex.ts"
import { StoreHealth } from "./StoreHealth.ts"

/**
 * What a look at one part says. `truncated`: it has fewer bytes than were written. `corrupt`: nobody has touched it, and
 * its bytes are wrong. `changed`: somebody else has put other bytes there. `unreadable`: the store does not answer.
 * `refused`: it answers, and not about this object.
 */
export type PartVerdict =
  | { readonly status: "fine" }
  | { readonly status: "absent" | "truncated" | "corrupt" | "changed"; readonly part: Part; readonly message: string }
  | { readonly status: "unreadable" | "refused"; readonly part: Part; readonly message: string }

const fine: PartVerdict = { status: "fine" }

/** Whole objects that are in memory at once to be compared. */
const readsAtOnce = 2

/**
 * Looks at parts: lightly by existence, size and etag, deeply by the bytes' SHA-256. A light look that finds another
 * etag or size reads the bytes before it says anything: a file that was only touched is fine, whatever time it bears.
 */
export const make = Effect.gen(function* () {
  const stores = yield* Stores
  const health = yield* StoreHealth
  const index = yield* LocationIndex
  const reading = yield* Semaphore.make(readsAtOnce)

  /** Bytes that another asset's step has written since are that asset's business. */
  const isOthers = Effect.fnUntraced(function* (ref: AssetRef, { key, store }: Part) {
    const owner = yield* index.owner(store, key)
    return owner !== null && Id.asset(owner.assetId, owner.partitionKey) !== Id.asset(ref.assetId, ref.partitionKey)
  })

  const touched = Effect.fnUntraced(function* (ref: AssetRef, part: Part, store: ObjectStore, bytes: number) {
    if (yield* isOthers(ref, part)) return fine
    if (bytes === part.bytes) {
      const digest = yield* reading.withPermit(Effect.map(store.readBytes(part.key), (read) => hash("sha256", read)))
      if (digest === part.sha256) return fine
    }
    const where = `${part.store}/${part.key}`
    const verdict: PartVerdict =
      bytes < part.bytes
        ? { status: "truncated", part, message: `${where} has ${bytes} bytes, ${part.bytes} were written` }
        : { status: "changed", part, message: `${where} has other bytes than were written: somebody changed it` }
    return verdict
  })

  const deeply = (part: Part, store: ObjectStore) =>
    reading.withPermit(verifiedRead(store, part)).pipe(
      Effect.as(fine),
      Effect.catchIf(
        (error) => error.failure.class === "corrupt",
        ({ failure }) =>
          Effect.succeed<PartVerdict>({
            status: "corrupt",
            part,
            message: `${part.store}/${part.key} is damaged: ${failure.message}`
          })
      )
    )

  const look = (ref: AssetRef, part: Part, isDeep: boolean): Effect.Effect<PartVerdict> =>
    Effect.gen(function* () {
      yield* health.guard(part.store)
      const store = yield* stores.get(part.store)
      const { bytes, etag } = yield* store.stat(part.key)
      if (etag !== part.etag || bytes !== part.bytes) return yield* touched(ref, part, store, bytes)
      return isDeep ? yield* deeply(part, store) : fine
    }).pipe(
      Effect.catch((error): Effect.Effect<PartVerdict> => {
        if (error._tag === "UnknownStore") {
          return Effect.succeed({ status: "unreadable", part, message: error.message })
        }
        const { failure } = error
        const { message } = failure
        if (failure.class === "asset_missing") return Effect.succeed({ status: "absent", part, message })
        if (failure.class !== "store_unavailable") return Effect.succeed({ status: "refused", part, message })
        return Effect.as(health.observe(failure), { status: "unreadable", part, message })
      })
    )

  return { look }
})
