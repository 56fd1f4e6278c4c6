import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Announcements } from "../actors/Announcements.ts"
import { answer } from "./Answer.ts"
import { Api } from "./api/Api.ts"
import { Principal } from "./api/Guards.ts"
import { callerOf } from "./Command.ts"

/** Who announces when the request does not say. */
const sourceDefault = "http"

export const layer = HttpApiBuilder.group(
  Api,
  "announcements",
  Effect.fnUntraced(function* (handlers) {
    const { announce } = yield* Announcements
    return handlers.handleAll({
      announceProduction: Effect.fnUntraced(function* ({ headers, params: { assetId }, payload }) {
        const principal = yield* Principal
        const route = "POST /assets/{assetId}/produced"
        const caller = callerOf({ principal, route, ids: [assetId], headers, body: payload })
        const { locations = [], partitionKey = "", source = sourceDefault, ...given } = payload ?? {}
        const { position, ...recorded } = yield* answer(
          announce({ ...given, assetId, partitionKey, source, locations, caller })
        )
        return { data: { ...recorded, partitionKey: recorded.partitionKey || null }, position }
      })
    })
  })
)
