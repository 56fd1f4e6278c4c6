import { Schema } from "effect"
import { Nullable } from "./Fields.ts"

/** An event, in every listing. What its metadata does not say is null. */
export const EventView = Schema.Struct({
  position: Schema.String,
  stream: Schema.String,
  version: Schema.Int,
  type: Schema.String,
  schemaVersion: Schema.Int,
  data: Schema.Unknown,
  metadata: Schema.Struct({
    commandId: Nullable,
    correlationId: Nullable,
    causationId: Nullable,
    principal: Nullable,
    traceparent: Nullable,
    /** Why, where the event itself has no field for it. */
    reason: Nullable
  }),
  recordedAt: Schema.String,
  hash: Schema.String
}).annotate({ identifier: "Event" })
export type EventView = typeof EventView.Type
