import type { Definition, Partitioning } from "./Definition.ts"
import type { Problem } from "./JsonBounds.ts"
import { membershipFault, partitionedAssets, partitionKeyFault } from "./Partitioning.ts"
import { windowFault } from "./PartitionSet.ts"

/** Why `key` is no partition of an asset with this partitioning at `now` (epoch ms), or undefined. */
export const partitionFault = (
  partitioning: Partitioning | undefined,
  key: string,
  now: number
): string | undefined => {
  const fault = membershipFault(partitioning, key)
  if (fault !== undefined || partitioning?.type !== "timeWindow") return fault
  return windowFault(partitioning, key, now)
}

/** Every reason why a run may not have this partition key (undefined: none was given) at `now` (epoch ms). */
export const runPartitionProblems = (
  definition: Pick<Definition, "steps">,
  partitionKey: string | undefined,
  now: number
): ReadonlyArray<Problem> => {
  const path = "partitionKey"
  const assets = partitionedAssets(definition)
  if (partitionKey === undefined) {
    return assets.slice(0, 1).map(({ assetId }) => ({
      path,
      message: `is required: the workflow produces the partitioned asset ${assetId}`
    }))
  }
  const fault = partitionKeyFault(partitionKey)
  if (fault !== undefined) return [{ path, message: fault }]
  return assets.flatMap(({ assetId, partitioning }) => {
    const message = partitionFault(partitioning, partitionKey, now)
    return message === undefined ? [] : [{ path, message: `${message}: asset ${assetId} has no other partitions` }]
  })
}
