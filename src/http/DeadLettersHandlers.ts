import { DateTime, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { DeadLetterCommands } from "../actors/DeadLetterActor.ts"
import { Unavailable } from "../actors/Engine.ts"
import { DeadLetters } from "../bus/DeadLetters.ts"
import type { BusUnavailable } from "../bus/EventBus.ts"
import { EventStore } from "../eventstore/EventStore.ts"
import { InvalidCursor } from "../projections/Page.ts"
import { answer } from "./Answer.ts"
import { Api } from "./api/Api.ts"
import { Principal } from "./api/Guards.ts"
import { callerOf } from "./Command.ts"
import { reached } from "./Reached.ts"

const limitDefault = 50

const away = <A>(effect: Effect.Effect<A, BusUnavailable>): Effect.Effect<A, Unavailable> =>
  Effect.mapError(effect, ({ message }) => new Unavailable({ message }))

/** What is decided is in the log before the bus is told, so that a repetition finds it and tells the bus again. */
export const layer = HttpApiBuilder.group(
  Api,
  "deadLetters",
  Effect.fnUntraced(function* (handlers) {
    const letters = yield* DeadLetters
    const store = yield* EventStore
    const commands = yield* DeadLetterCommands

    return handlers.handleAll({
      listDeadLetters: Effect.fnUntraced(function* ({ query: { cursor, limit = limitDefault, minPosition } }) {
        if (cursor !== undefined && !letters.isId(cursor))
          return yield* answer(Effect.fail(new InvalidCursor({ cursor })))
        yield* answer(reached(store, minPosition))
        const found = yield* answer(away(letters.list(limit + 1, cursor)))
        const data = found
          .slice(0, limit)
          .map((letter) => ({ ...letter, at: DateTime.formatIso(DateTime.makeUnsafe(letter.at)) }))
        return { data, nextCursor: found.length > limit ? (data.at(-1)?.id ?? null) : null }
      }),

      retryDeadLetter: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const route = "POST /bus/dead-letters/{id}/retry"
        const caller = callerOf({ principal: yield* Principal, route, ids: [id], headers, body: payload })
        const command = { _tag: "Retry", letterId: id, reason: payload?.reason } as const
        const { position, status } = yield* answer(commands.settle(command, away(letters.has(id)), caller))
        yield* answer(away(letters.retry(id)))
        return { data: { id, status }, position }
      }),

      discardDeadLetter: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const route = "POST /bus/dead-letters/{id}/discard"
        const caller = callerOf({ principal: yield* Principal, route, ids: [id], headers, body: payload })
        const command = { _tag: "Discard", letterId: id, reason: payload.reason } as const
        const { position, status } = yield* answer(commands.settle(command, away(letters.has(id)), caller))
        yield* answer(away(letters.discard(id)))
        return { data: { id, status }, position }
      })
    })
  })
)
