import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { DeliveryCommands } from "../actors/DeliveryActor.ts"
import { Deliveries } from "../notify/Deliveries.ts"
import { answer } from "./Answer.ts"
import { Api } from "./api/Api.ts"
import { Principal } from "./api/Guards.ts"
import { IllegalTransitionProblem, NotFoundProblem } from "./api/Problems.ts"
import { callerOf } from "./Command.ts"
import { reachedBy } from "./Reached.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "deliveries",
  Effect.fnUntraced(function* (handlers) {
    const deliveries = yield* Deliveries
    const commands = yield* DeliveryCommands
    return handlers.handleAll({
      listDeliveries: ({ query: { cursor, limit, minPosition, ...filter } }) =>
        Effect.map(
          answer(
            Effect.andThen(
              reachedBy("what goes out", deliveries.stands, minPosition),
              deliveries.list(filter, { cursor, limit })
            )
          ),
          ({ data, nextCursor }) => ({
            data: data.map((item) => ({ ...item })),
            nextCursor
          })
        ),

      retryDelivery: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const principal = yield* Principal
        const route = "POST /notifications/deliveries/{id}/retry"
        const caller = callerOf({ principal, route, ids: [id], headers, body: payload })
        const found = yield* answer(deliveries.read(id))
        if (found === null) {
          const detail = `There is no delivery ${JSON.stringify(id)}`
          return yield* new NotFoundProblem({ detail, kind: "delivery", id })
        }
        if (found.status !== "dead" && !(yield* answer(commands.isRepeat(caller)))) {
          return yield* new IllegalTransitionProblem({
            detail: `retry is not possible: the status is ${found.status}`,
            command: "retry",
            currentStatus: found.status
          })
        }
        const position = yield* answer(commands.retry(found, caller))
        return { data: { ...found }, position }
      })
    })
  })
)
