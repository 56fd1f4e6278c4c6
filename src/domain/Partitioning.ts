import type { Definition, Partitioning } from "./Definition.ts"
import * as Id from "./Id.ts"

/** Longest partition key, in UTF-16 units. */
export const partitionKeyLengthMax = 200

/** How many allowed keys a message lists. */
const listedKeysMax = 10

/** What is wrong with `key` as the name of one partition (1 to 200 characters, none of control), or undefined. */
export const partitionKeyFault = (key: string): string | undefined => {
  if (key === "") return "must not be empty"
  if (key.length > partitionKeyLengthMax) {
    return `must be at most ${partitionKeyLengthMax} characters long, not ${key.length}`
  }
  if (/\p{Cc}/u.test(key)) return "must not contain control characters"
  if (!key.isWellFormed()) return "must be well-formed Unicode"
  return undefined
}

/** What is wrong with `key` as a partition of an asset with this partitioning (undefined: any key), or undefined. */
export const membershipFault = (partitioning: Partitioning | undefined, key: string): string | undefined => {
  const fault = partitionKeyFault(key)
  if (fault !== undefined || partitioning?.type !== "static" || isAmong(partitioning.keys, key)) return fault
  const listed = partitioning.keys.slice(0, listedKeysMax).map((allowed) => JSON.stringify(allowed))
  const more = partitioning.keys.length - listed.length
  return `must be one of ${listed.join(", ")}${more > 0 ? ` and ${more} more` : ""}, not ${JSON.stringify(key)}`
}

const isAmong = (keys: ReadonlyArray<string>, key: string): boolean =>
  keys.some((allowed) => Id.partitionKey(allowed) === Id.partitionKey(key))

/** The assets of the workflow that are partitioned, each with its partitioning, in the order of the steps. */
export const partitionedAssets = (
  definition: Pick<Definition, "steps">
): ReadonlyArray<{ readonly assetId: string; readonly partitioning: Partitioning }> =>
  definition.steps.flatMap((step) =>
    step.produces.flatMap(({ assetId, partitioning }) =>
      partitioning === undefined ? [] : [{ assetId, partitioning }]
    )
  )

/** Whether a run of this workflow cannot do without a partition key. Any other workflow accepts one. */
export const needsPartitionKey = (definition: Pick<Definition, "steps">): boolean =>
  partitionedAssets(definition).length > 0

/** The partition key that an asset of a result has: its own, else the run's (F65, T21), else "" (unpartitioned). */
export const resultPartitionKey = (own: string | undefined, runs: string | undefined): string => own ?? runs ?? ""
