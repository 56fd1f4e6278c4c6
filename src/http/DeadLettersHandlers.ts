import { DateTime, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { DeadLetters, isLetterId } from "../bus/DeadLetters.ts"
import type { BusUnavailable } from "../bus/EventBus.ts"
import { InvalidCursor } from "../projections/Page.ts"
import { answer } from "./Answer.ts"
import { Api } from "./api/Api.ts"
import { Principal } from "./api/Guards.ts"
import { NotFoundProblem, UnavailableProblem } from "./api/Problems.ts"

const limitDefault = 50

const away = <A>(effect: Effect.Effect<A, BusUnavailable>): Effect.Effect<A, UnavailableProblem> =>
  Effect.mapError(effect, ({ message }) => new UnavailableProblem({ detail: message }))

/** Both commands work once by themselves: the second finds no letter, whatever its key. */
export const layer = HttpApiBuilder.group(
  Api,
  "deadLetters",
  Effect.fnUntraced(function* (handlers) {
    const letters = yield* DeadLetters

    const settle = Effect.fnUntraced(function* (
      id: string,
      settled: Effect.Effect<boolean, BusUnavailable>,
      what: string
    ) {
      const principal = yield* Principal
      if (!(yield* away(settled))) {
        const detail = `There is no dead letter ${JSON.stringify(id)}`
        return yield* new NotFoundProblem({ detail, kind: "dead letter", id })
      }
      // The letters are the bus's, not the log's: this line is what tells who it was.
      yield* Effect.logInfo(`dead letter ${id} was ${what}, by ${principal}`)
    })

    return handlers.handleAll({
      listDeadLetters: Effect.fnUntraced(function* ({ query: { cursor, limit = limitDefault } }) {
        if (cursor !== undefined && !isLetterId(cursor))
          return yield* answer(Effect.fail(new InvalidCursor({ cursor })))
        const found = yield* away(letters.list(limit + 1, cursor))
        const data = found
          .slice(0, limit)
          .map((letter) => ({ ...letter, at: DateTime.formatIso(DateTime.makeUnsafe(letter.at)) }))
        return { data, nextCursor: found.length > limit ? (data.at(-1)?.id ?? null) : null }
      }),

      retryDeadLetter: ({ params: { id } }) =>
        Effect.as(settle(id, letters.retry(id), "retried"), { data: { id, status: "retried" as const } }),

      discardDeadLetter: ({ params: { id }, payload: { reason } }) =>
        Effect.as(settle(id, letters.discard(id), `discarded (${JSON.stringify(reason)})`), {
          data: { id, status: "discarded" as const }
        })
    })
  })
)
