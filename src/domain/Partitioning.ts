import { Schema } from "effect"

/** Longest partition key, in UTF-16 units. */
export const partitionKeyLengthMax = 200

/** The name of one partition: 1 to 200 characters without control characters. */
export const PartitionKey = Schema.String.check(Schema.makeFilter((key: string) => partitionKeyFault(key) ?? true))

/** What is wrong with `key` as a partition key, or undefined. */
export const partitionKeyFault = (key: string): string | undefined => {
  if (key === "") return "must not be empty"
  if (key.length > partitionKeyLengthMax) {
    return `must be at most ${partitionKeyLengthMax} characters long, not ${key.length}`
  }
  if (/\p{Cc}/u.test(key)) return "must not contain control characters"
  if (!key.isWellFormed()) return "must be well-formed Unicode"
  return undefined
}
