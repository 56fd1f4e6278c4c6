import { Clock, DateTime, Duration, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AttentionDesk, type Noted } from "../actors/AttentionDesk.ts"
import { answer } from "./Answer.ts"
import { Api } from "./api/Api.ts"
import { Principal } from "./api/Guards.ts"
import { InvalidInputProblem, NotFoundProblem } from "./api/Problems.ts"
import { AttentionReads } from "./AttentionReads.ts"
import { callerOf } from "./Command.ts"

/** Longest time for which something can be muted: what nobody wants to hear of for longer should be mended. */
const mutedMax = Duration.days(90)

export const layer = HttpApiBuilder.group(
  Api,
  "attention",
  Effect.fnUntraced(function* (handlers) {
    const desk = yield* AttentionDesk
    const reads = yield* AttentionReads

    const find = Effect.fnUntraced(function* (id: string) {
      const item = yield* answer(reads.read(id))
      if (item !== null) return item
      const detail = `Nothing with the id ${JSON.stringify(id)} needs attention now`
      return yield* new NotFoundProblem({ detail, kind: "attention", id })
    })

    return handlers.handleAll({
      listAttention: ({ query: { cursor, limit, minPosition, ...filter } }) =>
        answer(reads.list(filter, { cursor, limit, minPosition })),

      muteAttention: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const principal = yield* Principal
        const item = yield* find(id)
        yield* muteable(payload.until)
        const route = "POST /admin/attention/{id}/mute"
        const caller = callerOf({ principal, route, ids: [id], headers, body: payload })
        const { muted, position } = yield* answer(desk.mute(id, payload, caller))
        return { data: { ...item, muted: shown(muted, principal) }, position }
      }),

      unmuteAttention: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const principal = yield* Principal
        const item = yield* find(id)
        const route = "POST /admin/attention/{id}/unmute"
        const caller = callerOf({ principal, route, ids: [id], headers, body: payload })
        const { muted, position } = yield* answer(desk.unmute(id, caller))
        return { data: { ...item, muted: shown(muted, principal) }, position }
      })
    })
  })
)

const shown = (muted: Noted["muted"], by: string) =>
  muted === null ? null : { until: DateTime.formatIso(DateTime.makeUnsafe(muted.until)), reason: muted.reason, by }

const muteable = Effect.fnUntraced(function* (until: number) {
  const now = yield* Clock.currentTimeMillis
  if (until > now && until <= now + Duration.toMillis(mutedMax)) return
  return yield* new InvalidInputProblem({
    detail: "The body is not valid",
    errors: [{ in: "body", path: "until", message: "must be a time to come, at most 90 days ahead" }]
  })
})
