import { Result } from "effect"
import type { Partitioning } from "./Definition.ts"
import { membershipFault } from "./Partitioning.ts"
import * as TimeWindow from "./TimeWindow.ts"

const dayMs = 86_400_000

/** The recorded partitions of an asset: each key with the epoch ms of its latest production, oldest key first. */
export type Recorded = ReadonlyMap<string, number>

/** The partitions that an asset has, and the one that it will have next. */
export interface PartitionSet {
  readonly keys: ReadonlyArray<string>
  readonly upcoming: string | undefined
}

/**
 * The partitions that an asset has at `now`:
 *
 * - `static`: the declared keys, in their order.
 * - `timeWindow`: the newest `lookbackWindows` windows, the current one included, newest first; then recorded windows
 *   that are older, newest first. Without `lookbackWindows` only what is recorded: the past has no other end.
 *   `upcoming` is the window after the current one.
 * - `dynamic`: the recorded keys that have not expired, in the order of their first production.
 * - no partitioning: what is recorded.
 */
export const partitionsOf = (partitioning: Partitioning | undefined, recorded: Recorded, now: number): PartitionSet => {
  switch (partitioning?.type) {
    case undefined:
      return { keys: [...recorded.keys()], upcoming: undefined }
    case "static":
      return { keys: partitioning.keys, upcoming: undefined }
    case "timeWindow":
      return windows(partitioning, recorded, now)
    case "dynamic": {
      const gone = new Set(expired(partitioning, recorded, now))
      return { keys: [...recorded.keys()].filter((key) => !gone.has(key)), upcoming: undefined }
    }
  }
}

/**
 * Why `key` may not be produced at `now`, or undefined: no partition of the asset, a window that has not begun, or one
 * more than `maxKeys` (keys that expired do not count, whether or not they were collected).
 */
export const admit = (
  partitioning: Partitioning | undefined,
  recorded: Recorded,
  key: string,
  now: number
): string | undefined => {
  const fault = membershipFault(partitioning, key)
  if (fault !== undefined) return fault
  if (partitioning?.type === "timeWindow") return windowFault(partitioning, key, now)
  if (partitioning?.type !== "dynamic" || partitioning.maxKeys === undefined) return undefined
  const { maxKeys } = partitioning
  if (recorded.size < maxKeys) return undefined
  const gone = new Set(expired(partitioning, recorded, now))
  if (recorded.size - gone.size < maxKeys || (recorded.has(key) && !gone.has(key))) return undefined
  return maxKeysFault(maxKeys)
}

/** What is said of a key for which there is no room. */
export const maxKeysFault = (maxKeys: number): string =>
  `would be one partition more than maxKeys ${maxKeys}: raise maxKeys, or set retentionDays so that old ones expire`

/** Why `key` is no window that has begun by `now`, or undefined. */
export const windowFault = (spec: TimeWindow.Spec, key: string, now: number): string | undefined => {
  const window = TimeWindow.windowOf(spec, key)
  if (Result.isFailure(window)) return window.failure
  if (window.success.start <= now) return undefined
  const current = TimeWindow.windowAt(spec, now).key
  return `must be a window that has begun: the current one is ${JSON.stringify(current)}, not ${JSON.stringify(key)}`
}

/** The keys to collect: of a dynamic asset, those whose latest production is more than `retentionDays` old. */
export const expired = (
  partitioning: Partitioning | undefined,
  recorded: Recorded,
  now: number
): ReadonlyArray<string> => {
  if (partitioning?.type !== "dynamic" || partitioning.retentionDays === undefined) return []
  const oldest = now - partitioning.retentionDays * dayMs
  const keys: Array<string> = []
  for (const [key, producedAt] of recorded) if (producedAt < oldest) keys.push(key)
  return keys
}

const windows = (spec: TimeWindow.Spec, recorded: Recorded, now: number): PartitionSet => {
  const declared = TimeWindow.windowsBack(spec, now, spec.lookbackWindows ?? 0)
  const names = new Set(declared.map(({ key }) => key))
  const older: Array<TimeWindow.Window> = []
  for (const key of recorded.keys()) {
    // What was recorded under another format or time zone is no partition any more.
    const window = names.has(key) ? undefined : Result.getOrUndefined(TimeWindow.windowOf(spec, key))
    if (window !== undefined && window.start <= now) older.push(window)
  }
  older.sort((one, other) => other.start - one.start)
  const upcoming = TimeWindow.next(spec, TimeWindow.windowAt(spec, now)).key
  return { keys: [...names, ...older.map(({ key }) => key)], upcoming }
}
