/**
 * The errors that a job throws (or fails its Effect with) to say what kind of failure it is. The kind decides what the
 * run does: wait for the asset, wait for the store, try again, or give up. Any other error is `transient`.
 */
export type JobFailure = AssetMissing | StoreUnavailable | TransientFailure | PermanentFailure

/** Not `instanceof`: an app may have loaded these classes from another copy of this module. */
const brand: unique symbol = Symbol.for("kintsugi/JobFailure") as never

const tags: ReadonlyArray<unknown> = [
  "AssetMissing",
  "StoreUnavailable",
  "TransientFailure",
  "PermanentFailure"
] satisfies ReadonlyArray<JobFailure["_tag"]>

/** Whether a thrown value is one of the typed failures, whichever copy of this module made it. */
export const isJobFailure = (value: unknown): value is JobFailure =>
  typeof value === "object" &&
  value !== null &&
  brand in value &&
  value[brand] === true &&
  "_tag" in value &&
  tags.includes(value._tag)

/** Own text in place of the derived one, and the error that led here. */
export interface FailureOptions {
  readonly message?: string | undefined
  readonly cause?: unknown
}

export interface AssetMissingFields extends FailureOptions {
  readonly assetId?: string | undefined
  /** Default: the run's own partition. */
  readonly partitionKey?: string | undefined
  readonly store?: string | undefined
  readonly key?: string | undefined
}

/**
 * Something that the step needs is gone: an asset, or the object `key` of the store `store` (from which the asset is
 * found). The step waits while it is healed, and none of its retries are used up.
 */
export class AssetMissing extends Error {
  readonly _tag = "AssetMissing"
  readonly [brand] = true
  override readonly name = "AssetMissing"
  readonly assetId: string | undefined
  readonly partitionKey: string | undefined
  readonly store: string | undefined
  readonly key: string | undefined

  constructor(fields: AssetMissingFields = {}) {
    super(fields.message ?? missingText(fields), causeOf(fields))
    this.assetId = fields.assetId
    this.partitionKey = fields.partitionKey
    this.store = fields.store
    this.key = fields.key
  }
}

/** The store did not answer. The step waits until it does; none of its retries are used up and nothing is healed. */
export class StoreUnavailable extends Error {
  readonly _tag = "StoreUnavailable"
  readonly [brand] = true
  override readonly name = "StoreUnavailable"
  readonly store: string

  constructor(fields: { readonly store: string } & FailureOptions) {
    super(fields.message ?? `store ${fields.store} is unavailable`, causeOf(fields))
    this.store = fields.store
  }
}

/** Worth another try by the step's retry policy. */
export class TransientFailure extends Error {
  readonly _tag = "TransientFailure"
  readonly [brand] = true
  override readonly name = "TransientFailure"

  constructor(fields: string | FailureOptions) {
    super(textOf(fields, "the step failed for now"), causeOf(fields))
  }
}

/** Another try cannot help: the step fails now. */
export class PermanentFailure extends Error {
  readonly _tag = "PermanentFailure"
  readonly [brand] = true
  override readonly name = "PermanentFailure"

  constructor(fields: string | FailureOptions) {
    super(textOf(fields, "the step failed for good"), causeOf(fields))
  }
}

const missingText = ({ assetId, key, partitionKey, store }: AssetMissingFields): string => {
  const object = key === undefined ? undefined : `key ${key}${store === undefined ? "" : ` of store ${store}`}`
  if (assetId === undefined) return `${object ?? "an asset"} is missing`
  const name = partitionKey === undefined ? assetId : `${assetId}[${partitionKey}]`
  return `asset ${name} is missing${object === undefined ? "" : ` (${object})`}`
}

const textOf = (fields: string | FailureOptions, otherwise: string): string =>
  (typeof fields === "string" ? fields : fields.message) ?? otherwise

const causeOf = (fields: string | FailureOptions): ErrorOptions =>
  typeof fields === "string" || fields.cause === undefined ? {} : { cause: fields.cause }
