import { createHash } from "node:crypto"

const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
const lengthChars = 26

/** RFC 4648 base32 in lower case, without padding, cut to 26 characters (130 bits). */
const base32 = (bytes: Uint8Array): string => {
  let out = ""
  let buffer = 0
  let bits = 0
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte
    bits += 8
    while (bits >= 5 && out.length < lengthChars) {
      bits -= 5
      out += alphabet[(buffer >>> bits) & 31]
    }
    buffer &= (1 << bits) - 1
  }
  return out
}

/** The id of a composed key: the first 26 characters of base32 of the SHA-256 of its JSON array (DESIGN, section 2). */
export const ofParts = (...parts: ReadonlyArray<string | number>): string =>
  base32(createHash("sha256").update(JSON.stringify(parts)).digest())

/** The letters A to Z in lower case, and no others: what `lower(… COLLATE "C")` does in Postgres, on every server. */
const withoutCase = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())

/** Asset ids are compared without case: this is the form that keys are made of. */
export const assetKey = (assetId: string): string => withoutCase(assetId)

/** Partition keys are compared without case, too; people are shown them as they were first written. */
export const partitionKey = (key: string): string => withoutCase(key)

/** Whether both name the same partition. */
export const isSameKey = (one: string, other: string): boolean =>
  one === other || (one.length === other.length && partitionKey(one) === partitionKey(other))

/** The id of what is kept for one workflow and partition; a run without a partition has the key "". */
export const workflowPartition = (workflow: string, key: string): string => ofParts(workflow, withoutCase(key))

/** The id of the RunKey actor of a workflow's run key, which is compared without case. */
export const runKey = (workflow: string, key: string): string => ofParts(workflow, withoutCase(key))

/** The id of the Asset actor of one partition; an unpartitioned asset has the partition key "". */
export const asset = (assetId: string, key: string): string => ofParts(assetKey(assetId), withoutCase(key))

/** The id of the Recovery that makes a generation again which is there, because it is too old for somebody. */
export const refresh = (assetId: string, key: string, oldGeneration: number): string =>
  ofParts(assetKey(assetId), withoutCase(key), oldGeneration, "refresh")

/** The id of the Recovery of one lost generation; generation 0 is an input that was never produced. */
export const recovery = (assetId: string, key: string, lostGeneration: number): string =>
  ofParts(assetKey(assetId), withoutCase(key), lostGeneration)
