import {
  createPrivateKey,
  createPublicKey,
  hash,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes
} from "node:crypto"

/** An Ed25519 signature with the key that it can be checked with. Whether that key is the right one is for the reader. */
export interface Signature {
  readonly algorithm: "ed25519"
  /** The first 16 hex characters of the SHA-256 of the public key's DER. */
  readonly keyId: string
  /** DER (SPKI), base64. */
  readonly publicKey: string
  /** base64. */
  readonly value: string
}

/** A private key that signs. */
export interface Signer {
  readonly keyId: string
  readonly sign: (text: string) => Signature
}

/** A public key that checks. */
export interface Verifier {
  readonly keyId: string
  /** Whether the signature is of this text and by this key. */
  readonly verify: (text: string, signature: Pick<Signature, "value">) => boolean
}

const derOf = (key: KeyObject): Buffer => key.export({ format: "der", type: "spki" })
const keyIdOf = (der: Uint8Array): string => hash("sha256", der).slice(0, 16)

/** The signer of a PEM private key (PKCS #8); null when it is none of Ed25519. */
export const signerOf = (pem: string | Buffer): Signer | null => {
  const key = keyOf(() => createPrivateKey(pem))
  if (key === null) return null
  const der = derOf(createPublicKey(key))
  const keyId = keyIdOf(der)
  return {
    keyId,
    sign: (text) => ({
      algorithm: "ed25519",
      keyId,
      publicKey: der.toString("base64"),
      value: signBytes(null, Buffer.from(text), key).toString("base64")
    })
  }
}

/** The verifier of a PEM key, public or private; null when it is none of Ed25519. */
export const verifierOf = (pem: string | Buffer): Verifier | null => {
  const key = keyOf(() => createPublicKey(pem))
  return key === null ? null : verifierWith(key)
}

/** The verifier of the key that a signature brings itself; null when that is none. */
export const verifierIn = ({ publicKey }: Pick<Signature, "publicKey">): Verifier | null => {
  const key = keyOf(() => createPublicKey({ key: Buffer.from(publicKey, "base64"), format: "der", type: "spki" }))
  return key === null ? null : verifierWith(key)
}

const verifierWith = (key: KeyObject): Verifier => ({
  keyId: keyIdOf(derOf(key)),
  verify: (text, { value }) => verifyBytes(null, Buffer.from(text), key, Buffer.from(value, "base64"))
})

const keyOf = (read: () => KeyObject): KeyObject | null => {
  try {
    const key = read()
    return key.asymmetricKeyType === "ed25519" ? key : null
  } catch {
    return null
  }
}
