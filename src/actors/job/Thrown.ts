import { StoreError } from "../../capabilities/ObjectStore.ts"
import { classifyUnknown } from "../../capabilities/classifyUnknown.ts"
import { type Failure, storable } from "../../domain/Failure.ts"
import {
  AssetMissing,
  isJobFailure,
  type JobFailure,
  PermanentFailure,
  StoreUnavailable,
  TransientFailure
} from "../../sdk/JobFailure.ts"

const ofJobFailure = (failure: JobFailure, runPartitionKey: string | undefined): Failure => {
  const { message } = failure
  switch (failure._tag) {
    case "AssetMissing": {
      const { assetId, key, store } = failure
      const partitionKey = failure.partitionKey ?? runPartitionKey ?? ""
      return {
        class: "asset_missing",
        code: "asset_missing",
        message,
        ...(assetId === undefined ? {} : { asset: { assetId, partitionKey } }),
        ...(store === undefined ? {} : { store }),
        ...(key === undefined ? {} : { key })
      }
    }
    case "StoreUnavailable":
      return { class: "store_unavailable", code: "store_unavailable", message, store: failure.store }
    case "TransientFailure":
      return { class: "transient", code: "job_failed", message }
    case "PermanentFailure":
      return { class: "permanent", code: "job_failed", message }
  }
}

/** The classified failure that was rejected through a capability, kept beside the typed error that the job saw. */
const classified = new WeakMap<object, Failure>()

/** What a capability rejects with: the SDK's typed error, whose classification is remembered if it is thrown on. */
export const thrown = ({ cause, failure }: StoreError): Error => {
  const { asset, key, message, store } = failure
  const error = (() => {
    switch (failure.class) {
      case "asset_missing":
        return new AssetMissing({
          message,
          cause,
          assetId: asset?.assetId,
          partitionKey: asset?.partitionKey,
          store,
          key
        })
      case "store_unavailable":
        return new StoreUnavailable({ message, cause, store: store ?? "" })
      case "transient":
      case "corrupt":
        return new TransientFailure({ message, cause })
      case "permanent":
        return new PermanentFailure({ message, cause })
    }
  })()
  classified.set(error, failure)
  return error
}

/** The failure that whatever a job threw stands for; an unknown error is `transient`. Never throws. */
export const failureOf = (error: unknown, runPartitionKey: string | undefined): Failure => {
  try {
    return read(error, runPartitionKey)
  } catch {
    // A getter or a proxy of the user's own, which fails when it is looked at.
    return { class: "transient", code: "unrecognized", message: "the job threw a value that cannot be read" }
  }
}

const read = (error: unknown, runPartitionKey: string | undefined): Failure => {
  const known = typeof error === "object" && error !== null ? classified.get(error) : undefined
  if (known !== undefined) return storable(known)
  if (error instanceof StoreError) return storable(error.failure)
  return storable(isJobFailure(error) ? ofJobFailure(error, runPartitionKey) : classifyUnknown(error))
}
