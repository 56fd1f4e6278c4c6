import { Schema } from "effect"

/** What happens when a store answers without its marker: heal what was lost, or wait for somebody to look. */
export const OnWiped = Schema.Literals(["heal", "wait"])
export type OnWiped = typeof OnWiped.Type

const Checksums = Schema.Literals(["WHEN_SUPPORTED", "WHEN_REQUIRED"])

const common = {
  onWiped: Schema.optionalKey(OnWiped),
  /** Operations of this process on the store at once, 1 to 1,000; default: no limit but that of executing steps. */
  concurrency: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 }))),
  /** Waiting steps released per second after an outage, 1 to 10,000. */
  drainPerSecond: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 })))
}

/** A local folder; `path` is relative to the app module's folder. */
export const FolderConfig = Schema.Struct({
  type: Schema.Literal("folder"),
  path: Schema.NonEmptyString,
  ...common
})
export type FolderConfig = typeof FolderConfig.Type

/**
 * A bucket, or the part of it below `prefix`. Credentials come from the AWS SDK's own chain (environment, profile,
 * instance), so that no app module holds a secret. `forcePathStyle` defaults to true when an `endpoint` is given; the
 * two checksum settings are for stores that do not know the SDK's default ones.
 */
export const S3Config = Schema.Struct({
  type: Schema.Literal("s3"),
  bucket: Schema.NonEmptyString,
  endpoint: Schema.optionalKey(Schema.String.check(Schema.isPattern(/^https?:\/\/[^\s]+$/))),
  region: Schema.optionalKey(Schema.NonEmptyString),
  prefix: Schema.optionalKey(Schema.NonEmptyString),
  forcePathStyle: Schema.optionalKey(Schema.Boolean),
  requestChecksumCalculation: Schema.optionalKey(Checksums),
  responseChecksumValidation: Schema.optionalKey(Checksums),
  /** Whether the bucket is made at the store's first use. */
  createBucket: Schema.optionalKey(Schema.Boolean),
  ...common
})
export type S3Config = typeof S3Config.Type

/** One entry of an app's `stores`. A decoder of its own must ask for `onExcessProperty: "error"`. */
export const StoreConfig = Schema.Union([FolderConfig, S3Config])
export type StoreConfig = typeof StoreConfig.Type

/** An app's `stores`: by name, 1 to 63 characters of letters, digits, `.`, `_` and `-`. */
export const StoreConfigs = Schema.Record(
  Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/)),
  StoreConfig
)
export type StoreConfigs = typeof StoreConfigs.Type

/** Decodes an app's `stores`; unknown fields are refused, and every fault is named by its path. */
export const decodeStoreConfigs = Schema.decodeUnknownEffect(StoreConfigs, {
  errors: "all",
  onExcessProperty: "error"
})

/** What a store does about a wipe when its configuration does not say. */
export const onWiped = (config: StoreConfig): OnWiped => config.onWiped ?? "heal"
