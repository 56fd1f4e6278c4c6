import { type Effect, Schema } from "effect"
import { Failure } from "../domain/Failure.ts"
import type { Location } from "../domain/Location.ts"

/**
 * What a store answers when it does not do as asked. `failure` is classified by the driver's table and names the store
 * and the key; `cause` is the vendor's own error.
 */
export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  failure: Failure,
  cause: Schema.Defect()
}) {
  override get message(): string {
    const { class: failureClass, code, key, message, store } = this.failure
    const where = `${store === undefined ? "" : ` in store ${store}`}${key === undefined ? "" : `, key ${key}`}`
    return `${failureClass} (${code})${where}: ${message}`
  }
}

/** One object. `sha256` (lower-case hex) is there only when the store knows it without reading the bytes. */
export interface ObjectInfo {
  readonly key: string
  readonly bytes: number
  readonly etag: string
  readonly sha256?: string
}

/** `wiped`: the root answers without its marker, so it is an emptied store or an unmounted disk. */
export interface StoreProbe {
  readonly status: "ready" | "wiped"
}

/** Largest object that is read or written, in bytes: an object passes through memory whole. */
export const objectBytesMax = 1024 * 1024 * 1024

/** Most objects that one listing answers. */
export const listLimitMax = 100_000

/**
 * Bytes under keys. Keys are checked by `ObjectKey` before any driver sees them. Every failure is one `StoreError`;
 * a driver never tries again by itself.
 */
export interface ObjectStore {
  readonly name: string
  readonly type: "folder" | "s3"

  /** The whole object. Fails `asset_missing` when it is absent while the root answers. */
  readonly readBytes: (key: string) => Effect.Effect<Uint8Array<ArrayBuffer>, StoreError>

  /**
   * Writes or replaces the object: a reader sees the old bytes or the new ones, never a part. Refuses reserved keys.
   * Does not create a missing root.
   */
  readonly write: (key: string, bytes: Uint8Array) => Effect.Effect<Location, StoreError>

  /** Fails `asset_missing` when the object is absent while the root answers. */
  readonly stat: (key: string) => Effect.Effect<ObjectInfo, StoreError>

  /**
   * `stat` of many in one go, for stores where that costs less: those that are there, in any order. One that is left
   * out may be there all the same: `stat` says what is the matter with it.
   */
  readonly statMany?: (keys: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<ObjectInfo>, StoreError>

  /**
   * Objects whose key starts with `prefix` ("" for all), the first `limit` in the store's order: byte order of the
   * keys in a folder and in Amazon's S3. Reserved keys are hidden.
   */
  readonly list: (prefix: string, limit: number) => Effect.Effect<ReadonlyArray<ObjectInfo>, StoreError>

  /** Removes the object; one that is absent already is no failure. Refuses reserved keys. */
  readonly delete: (key: string) => Effect.Effect<void, StoreError>

  /**
   * Copies within the store, on the server's side where there is one, replacing what is at `toKey`. Unlike `write` it
   * may go to `.quarantine/`: moving bytes aside is a copy and then a delete.
   */
  readonly copy: (fromKey: string, toKey: string) => Effect.Effect<ObjectInfo, StoreError>

  /**
   * Whether the root answers and bears its marker. Fails `store_unavailable` when it does not answer or is missing,
   * and `permanent` when it answers that we may not look.
   */
  readonly probe: Effect.Effect<StoreProbe, StoreError>

  /**
   * Makes the root where that is configured, and writes the marker if it is absent. For a store's first use, and after
   * a wiped store was accepted: whoever calls it on every start would take an unmounted disk for an empty store.
   */
  readonly ensureMarker: Effect.Effect<void, StoreError>
}
