import { Schema } from "effect"

/**
 * Where the bytes of one part of an asset lie. `bytes` is the size, `etag` the store's own version mark (for folder
 * stores: derived from size and modification time), `sha256` the lower-case hex digest of the content.
 */
export const Location = Schema.Struct({
  store: Schema.String,
  key: Schema.String,
  bytes: Schema.Int,
  etag: Schema.String,
  sha256: Schema.String
})
export type Location = typeof Location.Type
