import { Schema } from "effect"

/** The stream of signed roots. */
export const streamName = "log-roots"

/**
 * The Merkle root (RFC 6962) over the heads of all streams as of `position`, signed with Ed25519. Stored forever. Add a
 * field only with a decoding default; never rename.
 */
export const Event = Schema.TaggedUnion({
  LogRootSigned: {
    /** Events up to and including this one are covered. */
    position: Schema.String,
    /** Streams that had an event by then. */
    treeSize: Schema.Int,
    /** Lower-case hex. */
    root: Schema.String,
    algorithm: Schema.Literal("ed25519"),
    keyId: Schema.String,
    /** DER (SPKI), base64. */
    publicKey: Schema.String,
    /** base64, of `signedText`. */
    signature: Schema.String
  }
})
export type Event = typeof Event.Type

/** The text that a root's signature is of. */
export const signedText = ({ position, root, treeSize }: Pick<Event, "position" | "root" | "treeSize">): string =>
  `kintsugi log root\n${position}\n${treeSize}\n${root}\n`
