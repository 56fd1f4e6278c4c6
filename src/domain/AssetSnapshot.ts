import { Schema, SchemaTransformation, Struct } from "effect"
import * as Asset from "./Asset.ts"

/** In order of arrival: the oldest is forgotten first. */
const Recorded = Schema.Array(Schema.Tuple([Schema.String, Schema.Int])).pipe(
  Schema.decodeTo(
    Schema.ReadonlyMap(Schema.String, Schema.Int),
    SchemaTransformation.transform({
      decode: (entries: ReadonlyArray<readonly [string, number]>): ReadonlyMap<string, number> => new Map(entries),
      encode: (recorded: ReadonlyMap<string, number>): ReadonlyArray<readonly [string, number]> => [...recorded]
    })
  )
)

/** An Asset's state as JSON. */
export const AssetSnapshot: Schema.Codec<Asset.State, unknown> = Schema.Struct({
  assetId: Schema.String,
  partitionKey: Schema.String,
  generations: Schema.Int,
  latest: Schema.NullOr(Asset.Event.cases.AssetProduced.mapFields(Struct.omit(["_tag"]))),
  missing: Schema.NullOr(
    Schema.Struct({
      generation: Schema.Int,
      since: Schema.Int,
      reason: Schema.Literals(["missing", "corrupt"])
    })
  ),
  expiry: Schema.NullOr(Schema.Struct({ at: Schema.Int, reason: Schema.Literals(["ttl", "cadence"]) })),
  expiredAt: Schema.NullOr(Schema.Int),
  stale: Schema.NullOr(Schema.Struct({ since: Schema.Int, note: Schema.String })),
  recorded: Recorded
})
