import type { RecordedEvent } from "../eventstore/EventStore.ts"

interface Facts {
  readonly runId?: string
  readonly recoveryId?: string
  readonly producerRunId?: string
  readonly reportedBy?: string
  readonly trigger?: { readonly type: string; readonly recoveryId?: string }
}

/**
 * Which conversation an event belongs to and what caused it, read off the event where its metadata does not say: to
 * store both in every event would cost 400 bytes a run (ADR 0002).
 *
 * A run's events are one conversation, a recovery's another; what an Asset records belongs to the run that made it, or
 * to the step that missed it.
 */
export const conversationOf = (
  event: RecordedEvent,
  data: unknown
): { readonly correlationId: string | null; readonly causationId: string | null } => {
  const { causationId, correlationId } = event.metadata
  const dash = event.streamName.indexOf("-")
  const category = event.streamName.slice(0, dash)
  const id = event.streamName.slice(dash + 1)
  const facts = data as Facts
  const derived = (() => {
    switch (category) {
      case "run":
        return { correlation: id, cause: facts.trigger?.recoveryId ?? facts.recoveryId }
      case "recovery":
        return { correlation: id, cause: facts.producerRunId }
      case "asset":
        return { correlation: facts.runId ?? facts.reportedBy?.split("/")[0], cause: facts.recoveryId ?? facts.runId }
      default:
        return { correlation: undefined, cause: undefined }
    }
  })()
  return {
    correlationId: correlationId ?? derived.correlation ?? null,
    causationId: causationId ?? derived.cause ?? null
  }
}
