import { createHash, hash } from "node:crypto"

/** The hash before a stream's first event. */
export const genesis = ""

/**
 * The chain's next hash over the stored bytes: previous hash, version, type, schema version, writer's time, the
 * SHA-256 of the payload (so that a payload can be erased later and the chain still holds) and the metadata's text.
 * Lower-case hex.
 */
export const link = (
  previous: string,
  event: {
    readonly streamVersion: number
    readonly type: string
    readonly schemaVersion: number
    readonly recordedAt: number
    readonly payload: string
    readonly metadata: string
  }
): string => {
  const payloadHash = hash("sha256", event.payload)
  return hash(
    "sha256",
    `${previous}\n${event.streamVersion}\n${event.type}\n${event.schemaVersion}\n${event.recordedAt}\n${payloadHash}\n${event.metadata}`
  )
}

/** The chain's next hash when only the payload's hash is left (an erased payload). */
export const sha256Hex = (text: string): string => createHash("sha256").update(text).digest("hex")
