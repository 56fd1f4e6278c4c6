import { hash } from "node:crypto"
import { Effect, Semaphore } from "effect"
import type { ObjectStore } from "../capabilities/ObjectStore.ts"
import type * as Asset from "../domain/Asset.ts"
import type { Part } from "../domain/Production.ts"

/** Whole objects that are in memory at once to be compared. */
const readsAtOnce = 2

/**
 * Whether only its own bytes are the asset: it was announced from outside and has been lost since. Its source writes
 * first and announces second, so that what lies in its place is nobody's until it is announced, or as it was.
 */
export const isAwaited = ({ latest, missing }: Asset.State): boolean => missing !== null && latest?.source !== undefined

/** What people are told of other bytes in the place of a lost object. */
export const otherBytes = ({ key, store }: Part): string =>
  `${store}/${key} is there with other bytes than the lost ones, and nobody has announced them`

/** Compares an object with what the log recorded of it. */
export const make = Effect.gen(function* () {
  const reading = yield* Semaphore.make(readsAtOnce)

  /** By size and etag; where only the etag differs, as after a copy, by the SHA-256 of the bytes. */
  const isAsRecorded = Effect.fnUntraced(function* (part: Part, store: ObjectStore) {
    const { bytes, etag, sha256 } = yield* store.stat(part.key)
    if (bytes !== part.bytes) return false
    if (etag === part.etag) return true
    if (sha256 !== undefined) return sha256 === part.sha256
    return (
      (yield* reading.withPermit(Effect.map(store.readBytes(part.key), (read) => hash("sha256", read)))) === part.sha256
    )
  })

  return { isAsRecorded }
})
