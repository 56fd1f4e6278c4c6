import { DateTime, Effect, Redacted } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Tokens } from "../actors/Tokens.ts"
import type { AccessTokenView } from "../domain/AccessTokenView.ts"
import { EventStore } from "../eventstore/EventStore.ts"
import { InvalidCursor } from "../projections/Page.ts"
import { TokenUses } from "../projections/TokenUses.ts"
import { answer } from "./Answer.ts"
import { Api } from "./api/Api.ts"
import { pageSize } from "./api/Fields.ts"
import { Principal } from "./api/Guards.ts"
import { callerOf, type CommandRequest } from "./Command.ts"
import { reached } from "./Reached.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "tokens",
  Effect.fnUntraced(function* (handlers) {
    const tokens = yield* Tokens
    const store = yield* EventStore
    const uses = yield* TokenUses

    const caller = (request: Omit<CommandRequest, "principal">) =>
      Effect.map(Principal, (principal) => ({ ...callerOf({ principal, ...request }), principal }))
    const withUse = Effect.map(uses.all, (usedAt) => (token: AccessTokenView) => {
      const at = usedAt.get(token.id)
      return { ...token, lastUsedAt: at === undefined ? null : DateTime.formatIso(DateTime.makeUnsafe(at)) }
    })
    const shown = (token: AccessTokenView) => Effect.map(answer(withUse), (show) => show(token))
    const shownOnce = (token: AccessTokenView, secret: Redacted.Redacted | null) =>
      // The secret must not be lost because something else cannot be read now.
      Effect.map(
        Effect.catch(shown(token), () => Effect.succeed({ ...token, lastUsedAt: null })),
        (data) => ({ ...data, token: secret === null ? null : Redacted.value(secret) })
      )

    return handlers.handleAll({
      issueToken: Effect.fnUntraced(function* ({ headers, payload: { expiresAt = null, name, role } }) {
        const body = { expiresAt, name, role }
        const by = yield* caller({ route: "POST /admin/tokens", ids: [], headers, body })
        const { position, secret, token } = yield* answer(tokens.issue(body, by))
        return { data: yield* shownOnce(token, secret), position }
      }),

      listTokens: ({ query: { cursor, limit = pageSize, minPosition } }) =>
        answer(
          Effect.gen(function* () {
            yield* reached(store, minPosition)
            const all = yield* tokens.list
            const after = cursor === undefined ? -1 : all.findIndex(({ id }) => id === cursor)
            if (cursor !== undefined && after < 0) return yield* new InvalidCursor({ cursor })
            const page = all.slice(after + 1, after + 1 + limit)
            const isLast = after + 1 + limit >= all.length
            return { data: page.map(yield* withUse), nextCursor: isLast ? null : page.at(-1)!.id }
          })
        ),

      readToken: ({ params: { id } }) =>
        Effect.map(Effect.flatMap(answer(tokens.read(id)), shown), (data) => ({ data })),

      rotateToken: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const by = yield* caller({ route: "POST /admin/tokens/{id}/rotate", ids: [id], headers, body: payload })
        const { expiresAt, overlapMs = 0 } = payload ?? {}
        const { position, secret, token } = yield* answer(tokens.rotate(id, { expiresAt, overlapMs }, by))
        return { data: yield* shownOnce(token, secret), position }
      }),

      revokeToken: Effect.fnUntraced(function* ({ headers, params: { id }, query }) {
        const by = yield* caller({ route: "DELETE /admin/tokens/{id}", ids: [id], headers, body: query })
        const { position, token } = yield* answer(tokens.revoke(id, query.reason ?? "", by))
        return { data: yield* shown(token), position }
      })
    })
  })
)
