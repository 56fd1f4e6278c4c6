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

type Windows = Extract<Partitioning, { readonly type: "timeWindow" }>

/** The keys of the newest windows that have begun, newest first, and where the newest of them ends. */
interface Begun {
  readonly keys: ReadonlyArray<string>
  readonly end: number
}

/** As many windows as the asset looks back, the current one included; the current one where it does not look back. */
const begunAt = (spec: Windows, now: number, before: Begun | undefined): Begun => {
  const count = Math.max(1, spec.lookbackWindows ?? 1)
  const { end } = TimeWindow.windowAt(spec, now)
  const fresh: Array<string> = []
  // What has begun since goes in front of what was known: computing 100,000 windows again takes a second.
  for (let at = before?.end ?? end; before !== undefined && at <= now && fresh.length < count; ) {
    const window = TimeWindow.windowAt(spec, at)
    fresh.push(window.key)
    at = window.end
  }
  if (before === undefined || fresh.length === count || before.end > end) {
    return { keys: TimeWindow.windowsBack(spec, now, count).map(({ key }) => key), end }
  }
  return { keys: [...fresh.reverse(), ...before.keys].slice(0, count), end }
}

const ofKeys = (keys: ReadonlyArray<string>, upcoming: string | undefined, isDescending: boolean): Declared => {
  const keyOf = new Map(keys.map((key) => [Id.partitionKey(key), key]))
  const ids = [...keyOf.keys()].sort(isDescending ? (left, right) => compare(right, left) : compare)
  return { ids, keyOf, upcoming, isDescending }
}

/** The declared partitions of an asset at a time, remembered until the current window ends. */
export const make = () => {
  const remembered = new WeakMap<Partitioning, { readonly begun: Begun | undefined; readonly declared: Declared }>()
  return (partitioning: Partitioning | undefined, now: number): Declared => {
    if (partitioning === undefined) return ofKeys([], undefined, false)
    const before = remembered.get(partitioning)
    if (partitioning.type !== "timeWindow") {
      if (before !== undefined) return before.declared
      const declared = ofKeys(partitionsOf(partitioning, new Map(), now).keys, undefined, false)
      remembered.set(partitioning, { begun: undefined, declared })
      return declared
    }
    const current = TimeWindow.windowAt(partitioning, now)
    if (before?.begun?.end === current.end) return before.declared
    const begun = begunAt(partitioning, now, before?.begun)
    const upcoming = TimeWindow.next(partitioning, current).key
    const declared = ofKeys([upcoming, ...begun.keys], upcoming, true)
    remembered.set(partitioning, { begun, declared })
    return declared
  }
}
