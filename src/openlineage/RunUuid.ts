import { createHash } from "node:crypto"

/** The namespace of Kintsugi's runs in UUIDs of version 5 (RFC 9562, section 5.5). Never changed: receivers keep them. */
const namespace = Buffer.from("7b0f6a52c1d94e3f9a6d2c58e0b71f43", "hex")

/** The UUID that stands for a run, or for one attempt of a step, at receivers that want UUIDs: always the same one. */
export const of = (...name: ReadonlyArray<string | number>): string => {
  const bytes = createHash("sha1").update(namespace).update(JSON.stringify(name)).digest().subarray(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x50
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString("hex")
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-")
}
