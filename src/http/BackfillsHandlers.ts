import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Backfills } from "../actors/Backfills.ts"
import { EventStore } from "../eventstore/EventStore.ts"
import { answer } from "./Answer.ts"
import { asOf } from "./AsOf.ts"
import { Api } from "./api/Api.ts"
import { Principal } from "./api/Guards.ts"
import { type CommandRequest, callerOf } from "./Command.ts"
import { Reads } from "./Reads.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "backfills",
  Effect.fnUntraced(function* (handlers) {
    const backfills = yield* Backfills
    const reads = yield* Reads
    const store = yield* EventStore

    const caller = (verb: string, id: string, headers: CommandRequest["headers"], body: unknown) =>
      Effect.map(Principal, (principal) =>
        callerOf({ principal, route: `POST /backfills/{id}/${verb}`, ids: [id], headers, body })
      )
    const told = <E, R>(steered: Effect.Effect<Effect.Success<ReturnType<Backfills["Service"]["resume"]>>, E, R>) =>
      Effect.map(steered, ({ backfill, position }) => ({ data: backfill, position }))

    return handlers.handleAll({
      requestBackfill: Effect.fnUntraced(function* ({ headers, payload }) {
        const { dryRun, ...request } = payload
        if (dryRun === true) return { data: yield* answer(backfills.plan(request)) }
        const principal = yield* Principal
        const asked = callerOf({ principal, route: "POST /backfills", ids: [], headers, body: payload })
        return yield* told(answer(backfills.request(request, asked)))
      }),

      listBackfills: ({ query: { cursor, limit, minPosition, ...filter } }) =>
        answer(reads.listBackfills(filter, { cursor, limit, minPosition })),

      readBackfill: ({ params: { id }, query: { at } }) =>
        Effect.map(asOf(store, at, `backfill-${id}`, backfills.read(id, at)), (data) => ({ data })),

      pauseBackfill: ({ headers, params: { id }, payload }) =>
        Effect.flatMap(caller("pause", id, headers, payload), (by) =>
          told(answer(backfills.pause(id, payload?.reason ?? "", by)))
        ),

      resumeBackfill: ({ headers, params: { id }, payload }) =>
        Effect.flatMap(caller("resume", id, headers, payload), (by) => told(answer(backfills.resume(id, by)))),

      cancelBackfill: ({ headers, params: { id }, payload }) =>
        Effect.flatMap(caller("cancel", id, headers, payload), (by) =>
          told(answer(backfills.cancel(id, payload?.reason ?? "", by)))
        )
    })
  })
)
