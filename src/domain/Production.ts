import { Schema } from "effect"
import { AssetRef } from "./Failure.ts"
import { Freshness } from "./Freshness.ts"
import { Location } from "./Location.ts"

/** One generation of an asset partition that a step used. */
export const UsedInput = Schema.Struct({
  ...AssetRef.fields,
  generation: Schema.Int,
  optional: Schema.optionalKey(Schema.Boolean)
})
export type UsedInput = typeof UsedInput.Type

/** A part of an asset; `written`: the attempt that declared it also wrote its bytes, so the asset owns the file. */
export const Part = Schema.Struct({ ...Location.fields, written: Schema.Boolean })
export type Part = typeof Part.Type

/** An object that an attempt read through its capabilities without declaring it as an input. */
export const ObservedRead = Schema.Struct({ store: Schema.String, key: Schema.String })
export type ObservedRead = typeof ObservedRead.Type

/** What a successful step says about one asset partition, before the Asset has given it a generation. */
export const Produced = Schema.Struct({
  ...AssetRef.fields,
  payload: Schema.optionalKey(Schema.Unknown),
  producedAt: Schema.optionalKey(Schema.Int),
  /** Instead of what the step declares. */
  freshness: Schema.optionalKey(Freshness),
  parts: Schema.Array(Part)
})
export type Produced = typeof Produced.Type

/** Whether two sets of parts hold the same bytes, whatever their keys. */
export const sameContent = (
  left: ReadonlyArray<{ readonly sha256: string }>,
  right: ReadonlyArray<{ readonly sha256: string }>
): boolean => {
  if (left.length !== right.length) return false
  const digests = (parts: ReadonlyArray<{ readonly sha256: string }>) => parts.map((part) => part.sha256).sort()
  const other = digests(right)
  return digests(left).every((digest, index) => digest === other[index])
}
