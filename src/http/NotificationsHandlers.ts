import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { answer } from "./Answer.ts"
import { Api } from "./api/Api.ts"
import { NotFoundProblem } from "./api/Problems.ts"
import { Reads } from "./Reads.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "notifications",
  Effect.fnUntraced(function* (handlers) {
    const reads = yield* Reads
    return handlers.handleAll({
      listNotifications: ({ query: { cursor, limit, minPosition, unread } }) =>
        answer(
          reads.listNotifications(unread === undefined ? {} : { unread: unread === "true" }, {
            cursor,
            limit,
            minPosition
          })
        ),

      // Marking is idempotent by itself: the first time stays, whatever the key.
      markRead: Effect.fnUntraced(function* ({ params: { id } }) {
        const data = yield* answer(reads.markRead(id))
        if (data === null) {
          const detail = `There is no notification ${JSON.stringify(id)}`
          return yield* new NotFoundProblem({ detail, kind: "notification", id })
        }
        return { data }
      })
    })
  })
)
