import * as ObjectKey from "./ObjectKey.ts"

/** Data sets are named like files: 1 to 100 characters of letters, digits, `.`, `_` and `-`. */
const datasetPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

/** Longest encoded part of a key between two slashes, in bytes: file systems allow 255, and `.parquet` comes after. */
const segmentBytesMax = 200

const suffix = ".parquet"

/** The prefix of every partition of a data set. */
export const prefixOf = (dataset: string): string => `timestore/${dataset}/`

/** What is wrong with a data set's name or a partition key, or null. */
export const fault = (dataset: string, partitionKey: string): string | null => {
  if (!datasetPattern.test(dataset)) return `data set ${JSON.stringify(dataset)} must match ${datasetPattern.source}`
  if (!partitionKey.isWellFormed()) return "the partition key must be well-formed Unicode"
  const key = keyOf(dataset, partitionKey)
  return ObjectKey.fault(key) === null ? null : `the partition key makes an object key of ${key.length} bytes`
}

/**
 * The object key of a partition: percent-encoded, in folders of its own where it is too long for one name. No two
 * partition keys share an object key, and none of them leads out of the data set.
 */
export const keyOf = (dataset: string, partitionKey: string): string => {
  const encoded = encodeURIComponent(partitionKey)
  const segments: Array<string> = []
  for (let at = 0; at < encoded.length; at += segmentBytesMax) segments.push(encoded.slice(at, at + segmentBytesMax))
  return `${prefixOf(dataset)}${segments.join("/")}${suffix}`
}

/** The partition key of an object key that `keyOf` made; null for any other. */
export const partitionKeyOf = (dataset: string, key: string): string | null => {
  if (!key.startsWith(prefixOf(dataset)) || !key.endsWith(suffix)) return null
  try {
    const partitionKey = decodeURIComponent(key.slice(prefixOf(dataset).length, -suffix.length).replaceAll("/", ""))
    return keyOf(dataset, partitionKey) === key ? partitionKey : null
  } catch {
    return null
  }
}
