import { hash } from "node:crypto"

/** `source` of a production that was noted for an asset that existed before anything ran here (F11). */
export const source = "provenance"

/** Partitions of one call, and objects of one partition, at most. */
export const itemsMax = 100
export const locationsMax = 100
/** Objects that one listing of a store answers, at most. */
export const listLimitMax = 100_000

/** One object of an asset, and the hash of its bytes. */
interface Object {
  readonly store: string
  readonly key: string
  readonly sha256: string
}

/**
 * What makes noting the same bytes again the same production: `provenance/<store>/<key>/<sha256>`. Of several objects
 * it is the first one's place, and the hash of all hashes in their order.
 */
export const productionKey = (objects: readonly [Object, ...ReadonlyArray<Object>]): string => {
  const [{ key, sha256, store }] = objects
  const content = objects.length === 1 ? sha256 : hash("sha256", objects.map((object) => object.sha256).join("\n"))
  return `provenance/${store}/${key}/${content}`
}
