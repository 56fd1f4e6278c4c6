import { DateTime } from "effect"
import type { RecordedEvent } from "../eventstore/EventStore.ts"
import type { EventView } from "./api/EventSchema.ts"

/** An event as every listing shows it (CONTRACT, section 4). The request's hash stays inside. */
export const viewOf = (event: RecordedEvent): EventView => {
  const { causationId, commandId, correlationId, principal, traceparent } = event.metadata
  return {
    position: event.position,
    stream: event.streamName,
    version: event.streamVersion,
    type: event.type,
    schemaVersion: event.schemaVersion,
    data: JSON.parse(event.payload),
    metadata: {
      commandId: commandId ?? null,
      correlationId: correlationId ?? null,
      causationId: causationId ?? null,
      principal: principal ?? null,
      traceparent: traceparent ?? null
    },
    recordedAt: DateTime.formatIso(DateTime.makeUnsafe(event.recordedAt)),
    hash: event.hash
  }
}
