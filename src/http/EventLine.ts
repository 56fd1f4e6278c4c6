import type { RecordedEvent } from "../eventstore/EventStore.ts"
import { conversationOf } from "./Conversation.ts"
import { hasSecretHash, viewOf } from "./EventShape.ts"

/**
 * An event as one line of NDJSON, with its line break: what `JSON.stringify(viewOf(event))` says, without reading a
 * payload that is JSON text already. The export of a long log spends its time here.
 */
export const lineOf = (event: RecordedEvent): string => {
  const { commandId, principal, reason, traceparent } = event.metadata
  // Whoever wrote this payload is not us: a line must stay a line.
  if (event.payload.includes("\n") || hasSecretHash(event)) return `${JSON.stringify(viewOf(event))}\n`
  const { causationId, correlationId } = conversationOf(event, factsOf(event))
  return (
    `{"position":"${event.position}","stream":${text(event.streamName)},"version":${event.streamVersion},` +
    `"type":${text(event.type)},"schemaVersion":${event.schemaVersion},"data":${event.payload},` +
    `"metadata":{"commandId":${text(commandId)},"correlationId":${text(correlationId)},` +
    `"causationId":${text(causationId)},"principal":${text(principal)},"traceparent":${text(traceparent)},` +
    `"reason":${text(reason)}},` +
    `"recordedAt":"${isoOf(event.recordedAt)}","hash":"${event.hash}"}\n`
  )
}

const nothing = {}

/** The payload where `conversationOf` may find something in it: most events say only what their stream says. */
const factsOf = ({ payload, streamName }: RecordedEvent): unknown =>
  streamName.startsWith("asset-") || payload.includes('"recoveryId"') || payload.includes('"producerRunId"')
    ? JSON.parse(payload)
    : nothing

/** Most texts need no escapes, and looking is cheaper than writing them. */
const plain = /^[\w .:@/+-]*$/
const text = (value: string | null | undefined): string =>
  value === undefined || value === null ? "null" : plain.test(value) ? `"${value}"` : JSON.stringify(value)

/** Events lie together in time, so that many have the text of the one before. */
let last = { at: 0, iso: "1970-01-01T00:00:00.000Z" }
const isoOf = (at: number): string => {
  if (last.at !== at) last = { at, iso: new Date(at).toISOString() }
  return last.iso
}
