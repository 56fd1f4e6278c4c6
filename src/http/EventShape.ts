import { DateTime } from "effect"
import type { RecordedEvent } from "../eventstore/EventStore.ts"
import type { EventView } from "./api/EventSchema.ts"
import { conversationOf } from "./Conversation.ts"

/** An event as every listing shows it (CONTRACT, section 4). The request's hash stays inside. */
export const viewOf = (event: RecordedEvent): EventView => {
  const { commandId, principal, reason, traceparent } = event.metadata
  const data: unknown = JSON.parse(event.payload)
  return {
    position: event.position,
    stream: event.streamName,
    version: event.streamVersion,
    type: event.type,
    schemaVersion: event.schemaVersion,
    data,
    metadata: {
      commandId: commandId ?? null,
      ...conversationOf(event, data),
      principal: principal ?? null,
      traceparent: traceparent ?? null,
      reason: reason ?? null
    },
    recordedAt: DateTime.formatIso(DateTime.makeUnsafe(event.recordedAt)),
    hash: event.hash
  }
}
