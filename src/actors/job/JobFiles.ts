import { Effect } from "effect"
import { listLimitMax, type ObjectInfo, StoreError } from "../../capabilities/ObjectStore.ts"
import type { Stores, UnknownStore } from "../../capabilities/Stores.ts"
import type { Failure } from "../../domain/Failure.ts"
import type { Location } from "../../domain/Location.ts"
import type { StoreHealth } from "../StoreHealth.ts"
import type { Attempt } from "./Attempt.ts"
import type { Overwriting } from "./Overwriting.ts"
import type { RecordedBytes } from "./RecordedBytes.ts"

const failed = (failure: Failure, cause: unknown = failure.message) => new StoreError({ failure, cause })

/**
 * `ctx.files` of one attempt, as Effects: every call goes through the store's breaker, is recorded, and is refused
 * once the attempt has ended. Bytes that belong to an asset are compared with what the log says of them (F7).
 */
export const make = (options: {
  readonly stores: Stores["Service"]
  readonly health: StoreHealth["Service"]
  readonly attempt: Attempt
  readonly recorded: RecordedBytes
  readonly overwriting: Overwriting
}) => {
  const { attempt, health, overwriting, recorded, stores } = options

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

  const readBytes = (store: string, key: string) =>
    observed(
      Effect.gen(function* () {
        const opened = yield* driver(store)
        const bytes = yield* recorded.checked(opened, key, yield* opened.readBytes(key))
        attempt.noteRead(store, key)
        return bytes
      })
    )

  const writeBytes = (store: string, key: string, bytes: Uint8Array): Effect.Effect<Location, StoreError> =>
    observed(
      Effect.gen(function* () {
        const opened = yield* driver(store)
        yield* overwriting(store, key)
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
      observed(Effect.flatMap(driver(store), (opened) => Effect.andThen(overwriting(store, key), opened.delete(key))))
  }
}
