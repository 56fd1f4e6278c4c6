import { HashMap, Schema, SchemaTransformation } from "effect"
import * as Id from "./Id.ts"
import type * as PartitionKeys from "./PartitionKeys.ts"

const Kept = Schema.Struct({
  assetId: Schema.String,
  retentionDays: Schema.NullOr(Schema.Int),
  /** Each key as it was first written, with its day. */
  keys: Schema.Array(Schema.Tuple([Schema.String, Schema.Int]))
})

const isState = (input: unknown): input is PartitionKeys.State =>
  typeof input === "object" && input !== null && "days" in input

/** The state of an asset's partition keys as JSON. */
export const PartitionKeysSnapshot: Schema.Codec<PartitionKeys.State, unknown> = Kept.pipe(
  Schema.decodeTo(
    Schema.declare<PartitionKeys.State>(isState),
    SchemaTransformation.transform({
      decode: ({ assetId, keys, retentionDays }: typeof Kept.Type): PartitionKeys.State => {
        const days = new Map<number, number>()
        for (const [, day] of keys) days.set(day, (days.get(day) ?? 0) + 1)
        const known = keys.map(([key, day]) => [Id.partitionKey(key), { key, day }] as const)
        return { assetId, retentionDays, keys: HashMap.fromIterable(known), days }
      },
      encode: ({ assetId, keys, retentionDays }: PartitionKeys.State): typeof Kept.Type => ({
        assetId,
        retentionDays,
        keys: [...HashMap.values(keys)]
          .map(({ day, key }) => [key, day] as const)
          .sort(([one], [other]) => (one < other ? -1 : 1))
      })
    })
  )
)
