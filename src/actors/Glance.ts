import { Effect, Result } from "effect"
import type { ObjectInfo } from "../capabilities/ObjectStore.ts"
import { Stores } from "../capabilities/Stores.ts"
import type { Part } from "../domain/Production.ts"
import type { InventoryRow } from "./AssetInventory.ts"
import { StoreHealth } from "./StoreHealth.ts"

type Infos = ReadonlyMap<string, ObjectInfo>
const none: Infos = new Map()

/**
 * Asks each store about many objects in one go, where it can: nearly every asset is in order, and need not be looked at
 * one by one. It finds nothing wrong by itself; whatever it does not find in order is left to a proper look.
 */
export const make = Effect.gen(function* () {
  const stores = yield* Stores
  const health = yield* StoreHealth

  const ask = (name: string, keys: ReadonlyArray<string>): Effect.Effect<Infos> =>
    Effect.gen(function* () {
      yield* health.guard(name)
      const store = yield* stores.get(name)
      if (store.statMany === undefined) return none
      const found = yield* store.statMany(keys)
      return new Map(found.map((info) => [info.key, info]))
    }).pipe(
      Effect.result,
      Effect.map((result) => (Result.isFailure(result) ? none : result.success))
    )

  /** Whether every part of a row has the size and etag that were written. */
  return Effect.fnUntraced(function* (rows: ReadonlyArray<InventoryRow>) {
    const keys = new Map<string, Array<string>>()
    for (const { parts } of rows) {
      for (const { key, store } of parts) {
        const asked = keys.get(store)
        if (asked === undefined) keys.set(store, [key])
        else asked.push(key)
      }
    }
    const infos = new Map<string, Infos>()
    for (const [store, asked] of keys) infos.set(store, yield* ask(store, asked))
    const isFine = ({ bytes, etag, key, store }: Part): boolean => {
      const info = infos.get(store)?.get(key)
      return info !== undefined && info.bytes === bytes && info.etag === etag
    }
    return ({ parts }: InventoryRow) => parts.every(isFine)
  })
})
