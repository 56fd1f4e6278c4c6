import type { Stored as AttentionEvent } from "./Attention.ts"
import type { Stored as MaterializationEvent } from "./materialization/MaterializationEvents.ts"
import { isReasonCode } from "./recovery/RecoveryEvents.ts"
import type { Stored as RunEvent } from "./run/RunEvents.ts"

/** `runs_interrupted`: one summary a restart. */
export const kinds = ["step_failed", "runs_interrupted", "needs_attention"] as const
export type Kind = (typeof kinds)[number]

/** The id of a restart's summary. */
export const interruptedId = (processId: string): string => `interrupted:${processId}`

/** What an event gives people to know. */
export interface Note {
  /** The event's position, so that whoever reads the log again gives it the same id. */
  readonly id: string
  readonly kind: Kind
  /** A summary's is made when it is read. */
  readonly message: string
  readonly runId: string | null
  readonly stepId: string | null
  /** Epoch ms. */
  readonly at: number
  readonly data: unknown
}

/** An event of the log, as far as a note needs it. */
export interface Noted {
  readonly type: string
  /** What follows the category in its stream's name. */
  readonly id: string
  readonly position: string
  readonly at: number
  readonly data: <A>() => A
}

type Run<Tag extends RunEvent["_tag"]> = Extract<RunEvent, { readonly _tag: Tag }>

/** Attempts after which a transient failure has been tried often enough to say so. */
const attemptsMany = 2

/** The note of a run's event; null: nobody needs to hear of it. */
const ofRun = ({ at, data, id: runId, position, type }: Noted): Note | null => {
  const note = { id: position, runId, stepId: null, at }
  switch (type as RunEvent["_tag"]) {
    case "StepFailed": {
      const { attempt, failure, final, stepId } = data<Run<"StepFailed">>()
      if (!final) return null
      const isTired = failure.class === "transient" && attempt >= attemptsMany
      const message = isTired ? "Step failed after multiple attempts" : "Step failed"
      return { ...note, kind: "step_failed", message, stepId, data: { attempt, failure } }
    }
    case "RunInterrupted": {
      const { processId } = data<Run<"RunInterrupted">>()
      const id = interruptedId(processId)
      return { ...note, id, runId: null, kind: "runs_interrupted", message: "", data: { processId } }
    }
    case "RunAttentionRaised": {
      const { reason, stepId } = data<Run<"RunAttentionRaised">>()
      return { ...note, kind: "needs_attention", message: reason, stepId, data: { reason } }
    }
    case "RunFailed": {
      const { failure, stepId } = data<Run<"RunFailed">>()
      if (!isReasonCode(failure.code)) return null
      return { ...note, kind: "needs_attention", message: failure.message, stepId, data: { failure } }
    }
    default:
      return null
  }
}

/** Failures in a row after which automatic runs wait for the next update, and so for somebody who looks. */
export const automaticFailuresMany = 5

/** The note of an event of any stream that people are told of. */
export const of = (event: Noted): Note | null => {
  const note = { id: event.position, kind: "needs_attention", stepId: null, at: event.at } as const
  switch (event.type) {
    case "AttentionRaised": {
      const { message, ...data } = event.data<Extract<AttentionEvent, { readonly _tag: "AttentionRaised" }>>()
      return { ...note, message, runId: null, data }
    }
    case "MaterializationEnded": {
      const ended = event.data<Extract<MaterializationEvent, { readonly _tag: "MaterializationEnded" }>>()
      const { failures, outcome, retries, runId } = ended
      if (outcome !== "failed" || retries || failures < automaticFailuresMany) return null
      const message = `${failures} automatic runs in a row have failed`
      return { ...note, message, runId, data: { failures, failure: ended.failure } }
    }
    default:
      return ofRun(event)
  }
}

/** Types of events that `of` makes notes of. */
export const types: ReadonlyArray<string> = [
  ...["StepFailed", "RunInterrupted", "RunAttentionRaised", "RunFailed"],
  ...["AttentionRaised", "MaterializationEnded"]
]
