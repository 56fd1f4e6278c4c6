import { hash } from "node:crypto"
import { Effect, Result } from "effect"
import { Stores } from "../capabilities/Stores.ts"
import type * as Asset from "../domain/Asset.ts"
import type { AssetRef } from "../domain/Failure.ts"
import type { Part } from "../domain/Production.ts"
import { EventStore } from "../eventstore/EventStore.ts"
import { partsOf } from "./AssetHistory.ts"
import { LocationIndex } from "./LocationIndex.ts"

/** Largest part whose bytes are read again to see whether they are right; of larger ones the size is compared. */
const verifyBytesMax = 16 * 1024 * 1024

/** What a Recovery does with the bytes themselves: looks whether they are right, and puts them back from a copy. */
export const make = Effect.gen(function* () {
  const stores = yield* Stores
  const index = yield* LocationIndex
  const log = yield* EventStore

  /** Whether a part's bytes are those that its producer says it wrote; fails where they cannot be looked at. */
  const isIntact = Effect.fnUntraced(function* (part: Part) {
    const store = yield* stores.get(part.store)
    const info = yield* store.stat(part.key)
    if (info.bytes !== part.bytes) return false
    if (info.sha256 !== undefined) return info.sha256 === part.sha256
    if (part.bytes > verifyBytesMax) return true
    return hash("sha256", yield* store.readBytes(part.key)) === part.sha256
  })

  /** A copy of the part's bytes in another recorded place, put back where the part belongs. */
  const copyBack = Effect.fnUntraced(function* (part: Part) {
    for (const copy of yield* index.copies(part.sha256)) {
      if (copy.store === part.store && copy.key === part.key) continue
      const from = yield* Effect.result(Effect.flatMap(stores.get(copy.store), (store) => store.readBytes(copy.key)))
      if (Result.isFailure(from) || hash("sha256", from.success) !== part.sha256) continue
      const store = yield* stores.get(part.store)
      const written = yield* store.write(part.key, from.success)
      return { ...written, written: true }
    }
    return null
  })

  /** Puts every absent or wrong part back from copies; null when one has none. */
  const restoreFromCopies = Effect.fnUntraced(function* (latest: Asset.Generation) {
    const parts: Array<Part> = []
    for (const part of latest.parts) {
      const intact = yield* Effect.result(isIntact(part))
      if (Result.isFailure(intact) && intact.failure._tag === "StoreError") {
        const { failure } = intact.failure
        if (failure.class !== "asset_missing") return null
      }
      const kept = Result.isSuccess(intact) && intact.success ? part : yield* copyBack(part)
      if (kept === null) return null
      parts.push(kept)
    }
    return parts.length === 0 ? null : parts
  })

  /** The parts of the generation that was lost, from the asset's own history. */
  const lostParts = (ref: AssetRef, generation: number) => Effect.orDie(partsOf(log, ref, generation))

  return { isIntact, restoreFromCopies, lostParts }
})
