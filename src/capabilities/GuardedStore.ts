import { Effect } from "effect"
import type { Failure } from "../domain/Failure.ts"
import * as ObjectKey from "./ObjectKey.ts"
import { listLimitMax, objectBytesMax, type ObjectStore, StoreError } from "./ObjectStore.ts"

/** Puts what holds for every store in front of a driver: keys, reserved keys, sizes and limits are checked here only. */
export const make = (driver: ObjectStore): ObjectStore => {
  const refuse = (key: string, code: string, message: string): Effect.Effect<never, StoreError> => {
    const failure: Failure = { class: "permanent", code, message, store: driver.name, key, capability: driver.type }
    return Effect.fail(new StoreError({ failure, cause: new Error(message) }))
  }

  const named = (key: string): Effect.Effect<void, StoreError> => {
    const fault = ObjectKey.fault(key)
    return fault === null ? Effect.void : refuse(key, "invalid_key", fault)
  }

  const unreserved = (key: string): Effect.Effect<void, StoreError> =>
    ObjectKey.isReserved(key) ? refuse(key, "reserved_key", "the key belongs to the runtime") : named(key)

  const copyable = (key: string): Effect.Effect<void, StoreError> =>
    ObjectKey.isInternal(key) ? refuse(key, "reserved_key", "the key belongs to the runtime") : named(key)

  const { statMany } = driver

  return {
    name: driver.name,
    type: driver.type,
    readBytes: (key) => Effect.andThen(named(key), driver.readBytes(key)),
    write: (key, bytes) =>
      bytes.byteLength > objectBytesMax
        ? refuse(key, "too_large", `${bytes.byteLength} bytes, the limit is ${objectBytesMax}`)
        : Effect.andThen(unreserved(key), driver.write(key, bytes)),
    stat: (key) => Effect.andThen(named(key), driver.stat(key)),
    ...(statMany === undefined
      ? {}
      : {
          statMany: (keys: ReadonlyArray<string>) => statMany(keys.filter((key) => ObjectKey.fault(key) === null))
        }),
    list: (prefix, limit) => {
      const fault = ObjectKey.faultOfPrefix(prefix)
      if (fault !== null) return refuse(prefix, "invalid_key", fault)
      if (!Number.isInteger(limit) || limit < 1 || limit > listLimitMax) {
        return refuse(prefix, "invalid_limit", `a listing's limit is a whole number from 1 to ${listLimitMax}`)
      }
      return driver.list(prefix, limit)
    },
    delete: (key) => Effect.andThen(unreserved(key), driver.delete(key)),
    copy: (fromKey, toKey) =>
      Effect.andThen(Effect.andThen(copyable(fromKey), copyable(toKey)), driver.copy(fromKey, toKey)),
    probe: driver.probe,
    ensureMarker: driver.ensureMarker
  }
}
