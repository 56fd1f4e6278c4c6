import type { GetObjectCommandOutput } from "@aws-sdk/client-s3"
import { createHash } from "node:crypto"
import { Readable } from "node:stream"
import { objectBytesMax } from "./ObjectStore.ts"

export type Bytes = Uint8Array<ArrayBuffer>

/** User metadata of what we write (`x-amz-meta-…`): the digest of the bytes, so that a stat can tell it. */
export const sha256Metadata = "kintsugi-sha256"

/** The whole body, held against the length that was announced and the digest that we stored with it. */
export const collect = async (output: GetObjectCommandOutput): Promise<Bytes> => {
  const { Body: body, ContentLength: announced, Metadata: metadata } = output
  if (!(body instanceof Readable)) return new Uint8Array(0)
  if (announced !== undefined && announced > objectBytesMax) {
    body.destroy()
    throw new TooLarge(`${announced} bytes, the limit is ${objectBytesMax}`)
  }
  const chunks: Array<Buffer> = []
  const digest = createHash("sha256")
  let bytes = 0
  for await (const chunk of body) {
    if (!Buffer.isBuffer(chunk)) throw new Error("a body's chunk is not bytes")
    chunks.push(chunk)
    digest.update(chunk)
    bytes += chunk.byteLength
  }
  if (announced !== undefined && bytes !== announced) throw new Truncated(`${bytes} of ${announced} bytes came`)
  const [expected, received] = [metadata?.[sha256Metadata], digest.digest("hex")]
  if (expected !== undefined && expected !== received) {
    throw new Error(`Checksum mismatch: expected "${expected}" but received "${received}"`)
  }
  return Buffer.concat(chunks)
}

class Truncated extends Error {
  override readonly name = "Truncated"
}

class TooLarge extends Error {
  override readonly name = "TooLarge"
}
