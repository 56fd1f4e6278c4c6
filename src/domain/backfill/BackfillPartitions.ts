import { Result } from "effect"
import { isDeepStrictEqual } from "node:util"
import type { Definition, Partitioning } from "../Definition.ts"
import * as Id from "../Id.ts"
import type { Problem } from "../JsonBounds.ts"
import { partitionedAssets, partitionKeyFault } from "../Partitioning.ts"
import { partitionFault } from "../RunPartition.ts"
import * as TimeWindow from "../TimeWindow.ts"
import { partitionsMax } from "./BackfillDecide.ts"

/** Which partitions: `from` and `to` are the keys of windows, both included. */
export type Selection =
  | "all"
  | { readonly from: string; readonly to: string }
  | { readonly keys: ReadonlyArray<string> }

/** Faults of single keys that one answer lists. */
const listedFaultsMax = 100
const path = "partitions"

type Found = Result.Result<ReadonlyArray<string>, ReadonlyArray<Problem>>
const fault = (at: string, message: string): Result.Result<never, ReadonlyArray<Problem>> =>
  Result.fail([{ path: at, message }])

/**
 * The assets that a backfill is about: the named one; else those that are partitioned; else all that the workflow
 * produces. Fails for an asset that it does not produce.
 */
export const subjectsOf = (
  definition: Pick<Definition, "steps">,
  assetId: string | undefined
): Result.Result<
  ReadonlyArray<{ readonly assetId: string; readonly partitioning?: Partitioning | undefined }>,
  ReadonlyArray<Problem>
> => {
  const produced = definition.steps.flatMap(({ produces }) => produces)
  if (assetId === undefined) {
    const partitioned = partitionedAssets(definition)
    return Result.succeed(partitioned.length > 0 ? partitioned : produced)
  }
  const named = produced.filter((asset) => Id.assetKey(asset.assetId) === Id.assetKey(assetId))
  if (named.length > 0) return Result.succeed(named)
  const names = [...new Set(produced.map((asset) => asset.assetId))]
  return fault("assetId", `must be an asset that the workflow produces: ${names.join(", ") || "it produces none"}`)
}

/**
 * The keys of a selection, in the order in which they run: windows oldest first, keys as they are given. `known`: the
 * keys that were ever produced, for dynamic partitions. Every fault has the path where it is.
 */
export const resolve = (
  definition: Pick<Definition, "steps">,
  assetId: string | undefined,
  selection: Selection,
  known: ReadonlyArray<string>,
  now: number
): Found => {
  const subjects = subjectsOf(definition, assetId)
  if (Result.isFailure(subjects)) return Result.fail(subjects.failure)
  const subject = subjects.success[0]
  const found =
    selection === "all"
      ? all(subject?.partitioning, known, now)
      : "keys" in selection
        ? given(selection.keys)
        : between(subject?.partitioning, selection, now)
  if (Result.isFailure(found)) return found
  if (found.success.length > partitionsMax) {
    return fault(path, `must be at most ${partitionsMax} partitions, not ${found.success.length}`)
  }
  const isGiven = selection !== "all" && "keys" in selection
  // Every window between two that may be is one that may be.
  const isRange = selection !== "all" && "from" in selection
  const judged = isRange ? subject?.partitioning : undefined
  const faults = membershipFaults(
    definition,
    judged,
    found.success,
    now,
    isGiven ? (index) => `${path}.keys[${index}]` : null
  )
  return faults.length > 0 ? Result.fail(faults) : found
}

const all = (partitioning: Partitioning | undefined, known: ReadonlyArray<string>, now: number): Found => {
  switch (partitioning?.type) {
    case undefined:
      return fault(path, `"all" is of a partitioned asset, and the workflow produces none: give {"keys": […]}`)
    case "static":
      return Result.succeed(partitioning.keys)
    case "dynamic":
      return Result.succeed(known)
    case "timeWindow": {
      const { lookbackWindows } = partitioning
      if (lookbackWindows === undefined) {
        return fault(path, `"all" needs lookbackWindows, which the asset does not declare: give {"from": …, "to": …}`)
      }
      const windows = TimeWindow.windowsBack(partitioning, now, lookbackWindows)
      return Result.succeed(windows.map(({ key }) => key).reverse())
    }
  }
}

const between = (
  partitioning: Partitioning | undefined,
  { from, to }: { readonly from: string; readonly to: string },
  now: number
): Found => {
  if (partitioning?.type !== "timeWindow") {
    const kind = partitioning === undefined ? "no partitions" : `${partitioning.type} partitions`
    return fault(path, `"from" and "to" are windows of time, and the asset has ${kind}: give {"keys": […]} or "all"`)
  }
  const problems: Array<Problem> = []
  for (const [at, key] of [
    ["from", from],
    ["to", to]
  ] as const) {
    const message = partitionFault(partitioning, key, now)
    if (message !== undefined) problems.push({ path: `${path}.${at}`, message })
  }
  if (problems.length > 0) return Result.fail(problems)
  // Both were judged just now.
  const first = Result.getOrThrow(TimeWindow.windowOf(partitioning, from))
  const last = Result.getOrThrow(TimeWindow.windowOf(partitioning, to))
  if (first.start > last.start) {
    return fault(`${path}.from`, `must not be after "to": ${JSON.stringify(from)} begins after ${JSON.stringify(to)}`)
  }
  const windows = TimeWindow.windowsBetween(partitioning, first.start, last.end, partitionsMax)
  return Result.isFailure(windows)
    ? fault(path, windows.failure)
    : Result.succeed(windows.success.map(({ key }) => key))
}

const given = (keys: ReadonlyArray<string>): Found => {
  if (keys.length === 0) return fault(`${path}.keys`, "must list at least one key")
  const problems: Array<Problem> = []
  const first = new Map<string, number>()
  for (const [index, key] of keys.entries()) {
    const earlier = first.get(Id.partitionKey(key))
    if (earlier === undefined) first.set(Id.partitionKey(key), index)
    else {
      const message = `must not be listed twice: it is keys[${earlier}], compared without case`
      problems.push({ path: `${path}.keys[${index}]`, message })
    }
    if (problems.length === listedFaultsMax) break
  }
  return problems.length > 0 ? Result.fail(problems) : Result.succeed(keys)
}

/**
 * Every run has its key for all that the workflow produces: each must be a partition of each. Of those that are
 * partitioned as `judged` it is known.
 */
const membershipFaults = (
  definition: Pick<Definition, "steps">,
  judged: Partitioning | undefined,
  keys: ReadonlyArray<string>,
  now: number,
  pathOf: ((index: number) => string) | null
): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const others = partitionedAssets(definition).filter(
    ({ partitioning }) => judged === undefined || !isDeepStrictEqual(partitioning, judged)
  )
  const assets = others.map(({ assetId, partitioning }) => {
    const allowed = partitioning.type === "static" ? new Set(partitioning.keys.map(Id.partitionKey)) : null
    return { assetId, partitioning, allowed }
  })
  for (const [index, key] of keys.entries()) {
    const at = pathOf?.(index) ?? path
    const unfit = partitionKeyFault(key)
    if (unfit !== undefined) problems.push({ path: at, message: unfit })
    else {
      for (const { allowed, assetId, partitioning } of assets) {
        if (allowed?.has(Id.partitionKey(key)) === true) continue
        const message = partitionFault(partitioning, key, now)
        if (message === undefined) continue
        problems.push({ path: at, message: `${message}: asset ${assetId} has no other partitions` })
      }
    }
    if (problems.length >= listedFaultsMax) break
  }
  return problems
}
