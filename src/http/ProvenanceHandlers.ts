import { Duration, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Provenance } from "../actors/Provenance.ts"
import { answerWithin } from "./Answer.ts"
import { Api } from "./api/Api.ts"
import { Principal } from "./api/Guards.ts"
import { callerOf } from "./Command.ts"

/** Every object is read whole to be hashed, and a listing may be of 100,000. */
const patience = Duration.minutes(2)
const limitDefault = 1_000

export const layer = HttpApiBuilder.group(
  Api,
  "provenance",
  Effect.fnUntraced(function* (handlers) {
    const provenance = yield* Provenance
    return handlers.handleAll({
      recordProvenance: Effect.fnUntraced(function* ({ headers, params: { assetId }, payload }) {
        const principal = yield* Principal
        const { dryRun = false, items, skipUnfit = false } = payload
        const route = "POST /assets/{assetId}/provenance"
        const caller = callerOf({ principal, route, ids: [assetId], headers, body: payload })
        const recorded = provenance.record(assetId, items, { dryRun, skipUnfit, caller })
        const { position, results } = yield* answerWithin(patience, recorded)
        return { data: { dryRun, results }, position }
      }),

      listObjects: ({ params: { store }, query: { limit = limitDefault, prefix = "" } }) =>
        Effect.map(answerWithin(patience, provenance.objects(store, prefix, limit)), ({ objects, truncated }) => ({
          data: { objects: objects.map(({ bytes, key }) => ({ key, bytes })), truncated }
        }))
    })
  })
)
