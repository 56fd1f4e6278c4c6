import { Schema } from "effect"

/** Why a run exists. Every automatic run says so with a type of its own (F59, T24). */
export const Trigger = Schema.Union([
  Schema.Struct({ type: Schema.Literal("manual"), by: Schema.optionalKey(Schema.String) }),
  Schema.Struct({
    type: Schema.Literal("recovery"),
    recoveryId: Schema.String,
    assetId: Schema.String,
    partitionKey: Schema.String
  })
])
export type Trigger = typeof Trigger.Type
