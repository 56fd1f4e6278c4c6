import { Effect } from "effect"
import { hash } from "node:crypto"
import type { Location } from "../domain/Location.ts"
import { type ObjectStore, StoreError } from "./ObjectStore.ts"

/**
 * The bytes of a recorded object. Bytes that do not have the recorded SHA-256 are read once more, because a transfer
 * can be at fault; then they are `corrupt`, code `checksum_mismatch`.
 */
export const verifiedRead = (
  store: ObjectStore,
  location: Location
): Effect.Effect<Uint8Array<ArrayBuffer>, StoreError> =>
  Effect.catchIf(readOnce(store, location), isMismatch, () =>
    Effect.catchIf(readOnce(store, location), isMismatch, ({ cause, failure }) =>
      Effect.fail(new StoreError({ failure: { ...failure, class: "corrupt" }, cause }))
    )
  )

const isMismatch = (error: StoreError): boolean => error.failure.code === "checksum_mismatch"

const readOnce = (store: ObjectStore, location: Location) =>
  Effect.flatMap(store.readBytes(location.key), (bytes) => {
    const found = hash("sha256", bytes)
    if (found === location.sha256) return Effect.succeed(bytes)
    const message = `the bytes have the SHA-256 ${found}, recorded is ${location.sha256}`
    return Effect.fail(
      new StoreError({
        failure: {
          class: "transient",
          code: "checksum_mismatch",
          message,
          store: store.name,
          key: location.key,
          capability: store.type
        },
        cause: new Error(message)
      })
    )
  })
