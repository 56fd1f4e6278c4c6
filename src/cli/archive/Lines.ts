import { createHash } from "node:crypto"

/** A line of the file, without its break. `number` counts from 1. */
export interface Line {
  readonly number: number
  readonly text: string
  /** Of a trailer: SHA-256 of every byte before this line, lower-case hex. Of other lines: "". */
  readonly digestBefore: string
}

/** The file is not what an export wrote: in which line, and why. */
export interface Fault {
  readonly line: number
  readonly reason: string
}

/** Longest line that is read: a payload has 1 MiB at most, and escapes can make six characters of one. */
export const lineBytesMax = 32 * 1024 * 1024

const lineBreak = 10
const trailerBegin = '{"trailer"'

/**
 * The lines of a stream of bytes; a line longer than `lineBytesMax`, and text that is no UTF-8, is a thrown `Fault`.
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  const digest = createHash("sha256")
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  let rest: ReadonlyArray<Uint8Array> = []
  let restBytes = 0
  let number = 0
  const lineFrom = (bytes: Uint8Array): Line => {
    number++
    let text: string
    try {
      text = decoder.decode(bytes)
    } catch {
      throw { line: number, reason: "it is not valid UTF-8" } satisfies Fault
    }
    return { number, text, digestBefore: text.startsWith(trailerBegin) ? digest.copy().digest("hex") : "" }
  }
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(lineBreak); end >= 0; end = chunk.indexOf(lineBreak, start)) {
      const bytes = Buffer.concat([...rest, chunk.subarray(start, end + 1)])
      rest = []
      restBytes = 0
      const line = lineFrom(bytes.subarray(0, -1))
      digest.update(bytes)
      yield line
      start = end + 1
    }
    if (start === chunk.length) continue
    rest = [...rest, Uint8Array.prototype.slice.call(chunk, start)]
    restBytes += chunk.length - start
    if (restBytes > lineBytesMax) {
      throw { line: number + 1, reason: `it is longer than ${lineBytesMax} bytes` } satisfies Fault
    }
  }
  if (restBytes > 0)
    throw { line: number + 1, reason: "the file ends in the middle of it: it is cut off" } satisfies Fault
}
