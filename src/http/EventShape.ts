import { DateTime } from "effect"
import type { RecordedEvent } from "../eventstore/EventStore.ts"
import type { EventView } from "./api/EventSchema.ts"
import { conversationOf } from "./Conversation.ts"

/**
 * Whether the payload has the hash of a secret. It tells nothing of 256 random bits; still, who may read the log needs
 * it for nothing, and a hash that nobody sees is one that nobody can try secrets against.
 */
export const hasSecretHash = ({ streamName }: RecordedEvent): boolean => streamName.startsWith("token-")

/** An event as every listing shows it (CONTRACT, section 4). The hashes of requests and of tokens stay inside. */
export const viewOf = (event: RecordedEvent): EventView => {
  const { commandId, principal, reason, traceparent } = event.metadata
  const data: unknown = hasSecretHash(event)
    ? JSON.parse(event.payload, (key, value: unknown) => (key === "hash" ? undefined : value))
    : JSON.parse(event.payload)
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
