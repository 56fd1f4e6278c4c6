import { Schema } from "effect"
import { Position } from "../../eventstore/EventStore.ts"

/**
 * A log as a file of lines (NDJSON): a header, every event in log order, the head of every stream that has an event in
 * the file in the order of names, and a trailer. Payloads and metadata are the stored texts, kept as JSON strings, so
 * that they come back byte for byte whoever wrote them.
 */
export const formatVersion = 1

const Version = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2_147_483_647 }))
const Hash = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))
const EpochMs = Schema.Int
const Name = Schema.NonEmptyString

/** `after`: the events of this file follow the one at this position, in another file; null: the log's first are here. */
export const Header = Schema.Struct({
  kintsugi: Schema.Literal("export"),
  format: Schema.Literal(formatVersion),
  after: Schema.NullOr(Position),
  /** Of the event at `after`: what says that another file is of the same log. */
  afterHash: Schema.NullOr(Hash),
  /** The last event of the file; null: it has none. */
  head: Schema.NullOr(Position),
  exportedAt: Schema.String
})
export type Header = typeof Header.Type

export const EventLine = Schema.Struct({
  position: Position,
  stream: Name,
  version: Version,
  type: Schema.String,
  schemaVersion: Schema.Int,
  /** Epoch ms. */
  recordedAt: EpochMs,
  payload: Schema.String,
  /** SHA-256 of the payload as it was written, where it was redacted since. */
  payloadHash: Schema.optionalKey(Hash),
  /** JSON text; "" when there is none. */
  metadata: Schema.String,
  hash: Hash,
  /** The hash before it, where that event is not in this file. */
  previous: Schema.optionalKey(Hash)
})
export type EventLine = typeof EventLine.Type

/** Where a stream ends as of the header's `head`; when it must be looked at, and what it waits for. */
export const HeadLine = Schema.Struct({
  head: Name,
  version: Version,
  hash: Hash,
  wakeAt: Schema.optionalKey(EpochMs),
  waitsOn: Schema.optionalKey(Schema.Array(Schema.String))
})
export type HeadLine = typeof HeadLine.Type

const SignatureFields = Schema.Struct({
  algorithm: Schema.Literal("ed25519"),
  keyId: Schema.String,
  publicKey: Schema.String,
  value: Schema.String
})

/** `root`: the Merkle root over the heads of the file; `digest`: SHA-256 of every byte before the trailer. */
export const Trailer = Schema.Struct({
  trailer: Schema.Literal(true),
  events: Schema.Int,
  streams: Schema.Int,
  root: Hash,
  digest: Hash,
  signature: Schema.optionalKey(SignatureFields)
})
export type Trailer = typeof Trailer.Type

/** The text that a trailer's signature is of. */
export const signedText = ({ digest, events, root, streams }: Omit<Trailer, "signature" | "trailer">): string =>
  `kintsugi export\n${events}\n${streams}\n${root}\n${digest}\n`
