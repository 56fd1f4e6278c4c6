import { Schema } from "effect"
import { withoutCredentials } from "./SecretText.ts"

/**
 * Why an attempt ended badly. Everything that follows (wait, heal, retry, fail) is decided by the class alone.
 *
 * `asset_missing`: the store's root answers and the object is not there. `store_unavailable`: the store did not answer,
 * or answered for itself. `corrupt`: the object is there, last written by us, and its bytes are wrong.
 * `transient`: worth another try. `permanent`: another try cannot help.
 */
export const FailureClass = Schema.Literals(["asset_missing", "store_unavailable", "transient", "permanent", "corrupt"])
export type FailureClass = typeof FailureClass.Type

/** One partition of an asset; an unpartitioned asset has the partition key "". */
export const AssetRef = Schema.Struct({ assetId: Schema.String, partitionKey: Schema.String })
export type AssetRef = typeof AssetRef.Type

/** One line an asset partition is known by in messages: `orders.raw` or `orders.raw[2024-01]`. */
export const assetName = (ref: AssetRef): string =>
  ref.partitionKey === "" ? ref.assetId : `${ref.assetId}[${ref.partitionKey}]`

/**
 * A classified failure, as it is stored in events and shown to users.
 *
 * `code` is a stable lower-case word for programs (a driver's code, a recovery's reason code, `timeout`, …);
 * `message` keeps the real cause's own text. `capability` names the driver (`folder`, `s3`, `timestore`).
 */
export const Failure = Schema.Struct({
  class: FailureClass,
  code: Schema.String,
  message: Schema.String,
  asset: Schema.optionalKey(AssetRef),
  store: Schema.optionalKey(Schema.String),
  key: Schema.optionalKey(Schema.String),
  capability: Schema.optionalKey(Schema.String),
  status: Schema.optionalKey(Schema.Int),
  url: Schema.optionalKey(Schema.String)
})
export type Failure = typeof Failure.Type

/** Longest text of a failure that is kept, in UTF-16 units. */
const textLengthMax = 8_000

/** Text as the log keeps it: bounded, a NUL written as `\\0`, and a half of a surrogate pair as U+FFFD. */
export const storableText = (text: string): string =>
  (text.length <= textLengthMax ? text : `${text.slice(0, textLengthMax)}…`).replaceAll("\0", "\\0").toWellFormed()

/** The failure with every text of it storable, and its message without credentials: it goes to logs and people. */
export const storable = (failure: Failure): Failure => {
  const { asset } = failure
  const texts = Object.entries(failure).filter((entry): entry is [string, string] => typeof entry[1] === "string")
  const kept: { -readonly [Field in keyof Failure]?: Failure[Field] } = Object.fromEntries(
    texts.map(([field, text]) => [field, storableText(text)])
  )
  kept.message = withoutCredentials(storableText(failure.message))
  if (asset === undefined) return { ...failure, ...kept }
  const named = { assetId: storableText(asset.assetId), partitionKey: storableText(asset.partitionKey) }
  return { ...failure, ...kept, asset: named }
}
