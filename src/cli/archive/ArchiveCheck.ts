import { Result, Schema } from "effect"
import { metadataOf } from "../../eventstore/EventCodec.ts"
import type { Position } from "../../eventstore/EventStore.ts"
import * as HashChain from "../../eventstore/HashChain.ts"
import * as MerkleRoot from "../../eventstore/MerkleRoot.ts"
import { type Verifier, verifierIn } from "../../eventstore/Signature.ts"
import { EventLine, HeadLine, Header, signedText, Trailer } from "./ArchiveFormat.ts"
import type { Fault, Line } from "./Lines.ts"

/** Where a stream stands so far. */
export interface Heads {
  readonly get: (stream: string) => { readonly version: number; readonly hash: string } | undefined
  readonly set: (stream: string, head: { readonly version: number; readonly hash: string }) => void
}

/** What the signature of a file says. `unchecked`: by the key that it brings itself, which proves no origin. */
export type Signed = { readonly by: "nobody" } | { readonly by: "key" | "unchecked"; readonly keyId: string }

/** What a whole file holds. */
export interface Archive {
  readonly header: Header
  readonly trailer: Trailer
  readonly signed: Signed
}

/** A parsed line that has kept every rule so far. */
export type Checked =
  | { readonly _tag: "Header"; readonly header: Header }
  | { readonly _tag: "Event"; readonly event: EventLine; readonly metadata: ReturnType<typeof metadataOf> }
  | { readonly _tag: "Head"; readonly head: HeadLine }
  | { readonly _tag: "Trailer" }

const decodeHeader = Schema.decodeUnknownResult(Schema.fromJsonString(Header))
const decodeEvent = Schema.decodeUnknownResult(EventLine, { onExcessProperty: "error" })
const decodeHead = Schema.decodeUnknownResult(HeadLine, { onExcessProperty: "error" })
const decodeTrailer = Schema.decodeUnknownResult(Trailer, { onExcessProperty: "error" })

/**
 * Checks a file line by line: order, chains, heads, root, counts and digest; `verifier` also who signed it. A fault is
 * thrown as a `Fault` with its line. Where streams stand is the caller's to keep: `isWhole` says that `heads` also knows
 * what is before the file, so that nothing is taken from the file's own word for it.
 */
export const make = (heads: Heads, verifier: Verifier | null, isWhole: boolean) => {
  let header: Header | null = null
  let trailer: Trailer | null = null
  let signed: Signed = { by: "nobody" }
  let last: Position | null = null
  let lastHead: string | null = null
  let events = 0
  /** Streams that have an event in the file, by the first one of each. */
  let begun = 0
  const tree = MerkleRoot.make()

  const fail = (line: number, reason: string): never => {
    throw { line, reason } satisfies Fault
  }
  const got = <A>(line: number, result: Result.Result<A, { readonly message: string }>): A =>
    Result.isSuccess(result) ? result.success : fail(line, oneLine(result.failure.message))

  const onHeader = ({ number, text }: Line): Checked => {
    const read = decodeHeader(text)
    if (Result.isFailure(read))
      return fail(number, `it is not the header of an export: ${oneLine(read.failure.message)}`)
    header = read.success
    return { _tag: "Header", header }
  }

  const onEvent = (number: number, event: EventLine, { after, head }: Header): Checked => {
    if (lastHead !== null) fail(number, "an event comes after the heads of streams")
    const { position, stream, version } = event
    const previousPosition = last ?? after
    if (previousPosition !== null && position <= previousPosition) {
      fail(number, `position ${position} does not come after ${previousPosition}`)
    }
    if (head === null || position > head) fail(number, `position ${position} is beyond the header's head`)
    const before = heads.get(stream) ?? beginningOf(event, isWhole ? null : after)
    if (version !== before.version + 1) {
      fail(number, `${stream} has version ${version} where ${before.version + 1} should be`)
    }
    if (event.previous !== undefined && event.previous !== before.hash) {
      fail(number, `version ${version} of ${stream} follows another event than the one that is there`)
    }
    const hash = HashChain.link(before.hash, { ...event, streamVersion: version })
    if (hash !== event.hash) fail(number, `version ${version} of ${stream} does not have the hash that was recorded`)
    const metadata = metadataIn(event.metadata)
    if (metadata === null) return fail(number, "its metadata is no JSON object")
    heads.set(stream, { version, hash })
    last = position
    events++
    if (version === 1 || event.previous !== undefined) begun++
    return { _tag: "Event", event, metadata }
  }

  const onHead = (number: number, head: HeadLine): Checked => {
    if (lastHead !== null && MerkleRoot.compareNames(head.head, lastHead) <= 0) {
      fail(number, `the head of ${head.head} does not come after that of ${lastHead}`)
    }
    const known = heads.get(head.head)
    if (known === undefined) fail(number, `it is the head of ${head.head}, which has no event in the file`)
    if (known?.version !== head.version || known.hash !== head.hash) {
      fail(number, `${head.head} should end at version ${head.version}, and its events end at ${known?.version}`)
    }
    lastHead = head.head
    tree.add({ stream: head.head, version: head.version, hash: head.hash })
    return { _tag: "Head", head }
  }

  const onTrailer = ({ digestBefore, number }: Line, read: Trailer, { head }: Header): Checked => {
    const wrong = (what: string, said: unknown, found: unknown) =>
      fail(number, `the trailer says ${what} ${said}, and the file has ${found}`)
    if (read.events !== events) wrong("events", read.events, events)
    if (read.streams !== tree.size()) wrong("streams", read.streams, tree.size())
    if (begun !== tree.size()) fail(number, `${begun} streams have events, and ${tree.size()} heads are given`)
    if (read.root !== tree.root()) wrong("root", read.root, tree.root())
    if (last !== head) wrong("head", head, last)
    if (read.digest !== digestBefore) wrong("digest", read.digest, digestBefore)
    signed = signedBy(read, verifier, (reason) => fail(number, reason))
    trailer = read
    return { _tag: "Trailer" }
  }

  const visit = (line: Line): Checked => {
    if (header === null) return onHeader(line)
    const { number, text } = line
    if (trailer !== null) return fail(number, "there is something after the trailer")
    const json = parse(text)
    if (json === null) return fail(number, "it is no JSON object")
    if ("position" in json) return onEvent(number, got(number, decodeEvent(json)), header)
    if ("head" in json) return onHead(number, got(number, decodeHead(json)))
    if ("trailer" in json) return onTrailer(line, got(number, decodeTrailer(json)), header)
    return fail(number, "it is neither an event, nor the head of a stream, nor the trailer")
  }

  /** `lines`: how many there were. */
  const finish = (lines: number): Archive => {
    if (header === null) return fail(1, "it is not the header of an export: the file is empty")
    if (trailer === null) return fail(lines + 1, "the trailer is missing: the file is cut off")
    return { header, trailer, signed }
  }
  return { visit, finish }
}

const beginningOf = ({ previous, version }: EventLine, after: Position | null) =>
  previous !== undefined && after !== null
    ? { version: version - 1, hash: previous }
    : { version: 0, hash: HashChain.genesis }

const signedBy = (trailer: Trailer, verifier: Verifier | null, fail: (reason: string) => never): Signed => {
  const { signature } = trailer
  if (signature === undefined) return verifier === null ? { by: "nobody" } : fail("nobody has signed the file")
  const text = signedText(trailer)
  const own = verifierIn(signature)
  if (own?.keyId !== signature.keyId || !own.verify(text, signature)) {
    return fail("the signature is not one of this file by the key that it names")
  }
  if (verifier === null) return { by: "unchecked", keyId: own.keyId }
  if (verifier.keyId !== own.keyId) {
    return fail(`key ${own.keyId} has signed the file, and the given one is ${verifier.keyId}`)
  }
  return verifier.verify(text, signature)
    ? { by: "key", keyId: own.keyId }
    : fail("the signature is not one of this file by the given key")
}

const parse = (text: string): object | null => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? value : null
  } catch {
    return null
  }
}

const metadataIn = (text: string) => {
  try {
    const value: unknown = metadataOf(text)
    return typeof value === "object" && value !== null ? metadataOf(text) : null
  } catch {
    return null
  }
}

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, " ").trim()
