import { Duration, Effect, Redacted, Schema } from "effect"
import type { DatasetEvent } from "./DatasetEvent.ts"
import type { RunEvent } from "./RunEvent.ts"

/** Where run events go. */
export interface ReceiverSettings {
  /** The whole address. */
  readonly url: string
  readonly apiKey: Redacted.Redacted | null
  readonly namespace: string
}

/** The receiver did not take the event; it may later. */
export class ReceiverAway extends Schema.TaggedError<ReceiverAway>()("ReceiverAway", {
  message: Schema.String,
  cause: Schema.Defect()
}) {}

/** The receiver says that this event is wrong: sending it again cannot help. */
export class EventRefused extends Schema.TaggedError<EventRefused>()("EventRefused", { message: Schema.String }) {}

const answerWithin = Duration.seconds(10)
const answerCharactersMax = 300
/** Answers that are about the event; all others are about the receiver, its address or the key. */
const refusals = new Set([400, 409, 413, 422])

/** Posts one event. */
export const send = (
  { apiKey, url }: ReceiverSettings,
  event: RunEvent | DatasetEvent
): Effect.Effect<void, ReceiverAway | EventRefused> => {
  const away = (what: string, cause: unknown = null) => new ReceiverAway({ message: `${url}: ${what}`, cause })
  return Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(apiKey === null ? {} : { authorization: `Bearer ${Redacted.value(apiKey)}` })
        },
        body: JSON.stringify(event),
        redirect: "error",
        signal
      })
      return { ok: response.ok, status: response.status, text: (await response.text()).slice(0, answerCharactersMax) }
    },
    catch: (cause) => {
      const error = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
      return away(error instanceof Error ? error.message : String(error), cause)
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: answerWithin,
      orElse: () => Effect.fail(away(`no answer within ${Duration.toMillis(answerWithin)} ms`))
    }),
    Effect.flatMap(({ ok, status, text }): Effect.Effect<void, ReceiverAway | EventRefused> => {
      if (ok) return Effect.void
      const message = `${url} answered ${status}: ${text}`
      return Effect.fail(
        refusals.has(status) ? new EventRefused({ message }) : new ReceiverAway({ message, cause: null })
      )
    })
  )
}
