import { createHash } from "node:crypto"

/** Where a stream ends: what a root is made of. */
export interface StreamHead {
  readonly stream: string
  /** Count of its events. */
  readonly version: number
  /** The hash of its last event, lower-case hex. */
  readonly hash: string
}

const sha256 = (...parts: ReadonlyArray<string | Uint8Array>): Buffer => {
  const digest = createHash("sha256")
  for (const part of parts) digest.update(part)
  return digest.digest()
}

const leafMark = Uint8Array.of(0)
const nodeMark = Uint8Array.of(1)

/** The hash of a leaf: stream name, version and hash, a line each. */
const leafOf = ({ hash, stream, version }: StreamHead): Buffer => sha256(leafMark, `${stream}\n${version}\n${hash}`)

/**
 * The Merkle tree hash of RFC 6962, section 2.1, over stream heads that are added in the order of their names (bytes of
 * UTF-8). Keeps one hash for each level, however many streams there are.
 */
export const make = () => {
  /** Complete subtrees from the left; `size` is a power of two, and sizes fall. */
  const subtrees: Array<{ readonly size: number; readonly hash: Buffer }> = []
  let size = 0
  return {
    add: (head: StreamHead): void => {
      size++
      let right = { size: 1, hash: leafOf(head) }
      for (let left = subtrees.at(-1); left?.size === right.size; left = subtrees.at(-1)) {
        right = { size: left.size * 2, hash: sha256(nodeMark, left.hash, right.hash) }
        subtrees.pop()
      }
      subtrees.push(right)
    },
    /** Streams so far. */
    size: (): number => size,
    /** Lower-case hex. */
    root: (): string => {
      const last = subtrees.at(-1)
      if (last === undefined) return sha256().toString("hex")
      const hash = subtrees.slice(0, -1).reduceRight((right, left) => sha256(nodeMark, left.hash, right), last.hash)
      return hash.toString("hex")
    }
  }
}

/** The order of names that a root is made in: that of their bytes, which is Postgres's COLLATE "C". */
export const compareNames = (left: string, right: string): number =>
  Buffer.compare(Buffer.from(left), Buffer.from(right))
