import { createHash } from "node:crypto"
import { Effect } from "effect"
import { listLimitMax, type ObjectInfo, StoreError } from "../../capabilities/ObjectStore.ts"
import type { Stores, UnknownStore } from "../../capabilities/Stores.ts"
import type { AssetRef, Failure } from "../../domain/Failure.ts"
import type { Location } from "../../domain/Location.ts"
import type { StoreHealth } from "../StoreHealth.ts"
import { type Attempt, locationKey } from "./Attempt.ts"

const failed = (failure: Failure, cause: unknown = failure.message) => new StoreError({ failure, cause })

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/**
 * `ctx.files` of one attempt, as Effects: every call goes through the store's breaker, is recorded, and is refused
 * once the attempt has ended. Bytes of a declared input are compared with what the log says of them (F7).
 */
export const make = (options: {
  readonly stores: Stores["Service"]
  readonly health: StoreHealth["Service"]
  readonly attempt: Attempt
  /** The newest recorded digest of an input's part, which may have been remade since the step began. */
  readonly currentDigest: (ref: AssetRef, store: string, key: string) => Effect.Effect<string | undefined>
}) => {
  const { attempt, currentDigest, health, stores } = options

  const driver = (name: string) =>
    Effect.gen(function* () {
      if (!attempt.isOpen()) {
        const message = "the attempt has ended: its capabilities may no longer be used"
        return yield* failed({ class: "permanent", code: "attempt_ended", message, store: name })
      }
      const store = yield* stores.get(name)
      yield* health.guard(name)
      return store
    }).pipe(
      Effect.catchTag("UnknownStore", (error: UnknownStore) =>
        Effect.fail(failed({ class: "permanent", code: "unknown_store", message: error.message, store: name }, error))
      )
    )
  const observed = <A>(effect: Effect.Effect<A, StoreError>) =>
    Effect.tapError(effect, ({ failure }) => health.observe(failure))

  /** Bytes that are not the recorded ones: remade meanwhile, damaged, or changed by somebody else. */
  const checkDigest = Effect.fnUntraced(function* (store: string, key: string, bytes: Uint8Array) {
    const part = attempt.inputParts.get(locationKey(store, key))
    if (part === undefined) return
    const digest = sha256(bytes)
    if (digest === part.sha256 || digest === (yield* currentDigest(part.ref, store, key))) return
    const info = yield* Effect.flatMap(driver(store), (opened) => opened.stat(key))
    const ours = info.etag === part.etag
    const message = ours
      ? `${store}/${key} has other bytes (sha-256 ${digest}) than were written (${part.sha256})`
      : `${store}/${key} was changed by somebody else: its etag is ${info.etag}, ours was ${part.etag}`
    return yield* failed({
      class: ours ? "corrupt" : "permanent",
      code: ours ? "checksum_mismatch" : "changed_outside",
      message,
      asset: part.ref,
      store,
      key
    })
  })

  const readBytes = (store: string, key: string) =>
    observed(
      Effect.gen(function* () {
        const opened = yield* driver(store)
        const bytes = yield* opened.readBytes(key)
        yield* checkDigest(store, key, bytes)
        attempt.noteRead(store, key)
        return bytes
      })
    )

  const writeBytes = (store: string, key: string, bytes: Uint8Array): Effect.Effect<Location, StoreError> =>
    observed(
      Effect.gen(function* () {
        const opened = yield* driver(store)
        const location = yield* opened.write(key, bytes)
        attempt.noteWrite(location)
        return location
      })
    )

  return {
    readBytes,
    writeBytes,
    stat: (store: string, key: string): Effect.Effect<ObjectInfo, StoreError> =>
      observed(Effect.flatMap(driver(store), (opened) => opened.stat(key))),
    list: (store: string, prefix: string): Effect.Effect<ReadonlyArray<ObjectInfo>, StoreError> =>
      observed(Effect.flatMap(driver(store), (opened) => opened.list(prefix, listLimitMax))),
    delete: (store: string, key: string): Effect.Effect<void, StoreError> =>
      observed(Effect.flatMap(driver(store), (opened) => opened.delete(key)))
  }
}
