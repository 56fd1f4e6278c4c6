import type { Partitioning } from "../domain/Definition.ts"
import * as Id from "../domain/Id.ts"
import { partitionsOf } from "../domain/PartitionSet.ts"
import * as TimeWindow from "../domain/TimeWindow.ts"

/** The partitions that an asset has because it says so, whether or not anything was recorded of them. */
export interface Declared {
  /** In the order of a page: windows newest first by key, others by key; compared without case. */
  readonly ids: ReadonlyArray<string>
  readonly keyOf: ReadonlyMap<string, string>
  /** The window after the current one, which has not begun. */
  readonly upcoming: string | undefined
  readonly isDescending: boolean
}

/** The order of the database ("C": by the bytes of UTF-8), which differs from JavaScript's only beyond U+FFFF. */
export const compare = (left: string, right: string): number => {
  if (left === right) return 0
  if (/[\ud800-\udfff]/.test(left + right)) return Buffer.compare(Buffer.from(left), Buffer.from(right))
  return left < right ? -1 : 1
}

const declaredAt = (partitioning: Partitioning | undefined, now: number): Declared => {
  const { keys, upcoming } = partitionsOf(partitioning, new Map(), now)
  const isDescending = partitioning?.type === "timeWindow"
  const windows = isDescending ? [TimeWindow.windowAt(partitioning, now).key, upcoming] : []
  const all = [...keys, ...windows.filter((key) => key !== undefined)]
  const keyOf = new Map(all.map((key) => [Id.partitionKey(key), key]))
  const ids = [...keyOf.keys()].sort(isDescending ? (left, right) => compare(right, left) : compare)
  return { ids, keyOf, upcoming, isDescending }
}

/**
 * The declared partitions of an asset at a time, remembered until the current window ends: an asset can declare
 * 100,000 windows, which no page should compute again.
 */
export const make = () => {
  const remembered = new WeakMap<Partitioning, { readonly current: string; readonly declared: Declared }>()
  return (partitioning: Partitioning | undefined, now: number): Declared => {
    if (partitioning === undefined) return declaredAt(partitioning, now)
    const current = partitioning.type === "timeWindow" ? TimeWindow.windowAt(partitioning, now).key : ""
    const before = remembered.get(partitioning)
    if (before?.current === current) return before.declared
    const declared = declaredAt(partitioning, now)
    remembered.set(partitioning, { current, declared })
    return declared
  }
}
