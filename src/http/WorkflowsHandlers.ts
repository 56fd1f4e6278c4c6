import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Engine } from "../actors/Engine.ts"
import { EventStore } from "../eventstore/EventStore.ts"
import { InvalidCursor } from "../projections/Page.ts"
import { answer } from "./Answer.ts"
import { Api } from "./api/Api.ts"
import { pageSize } from "./api/Fields.ts"
import { Principal } from "./api/Guards.ts"
import { callerOf } from "./Command.ts"
import { reached } from "./Reached.ts"
import { recoverRun } from "./RunsHandlers.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "workflows",
  Effect.fnUntraced(function* (handlers) {
    const engine = yield* Engine
    const store = yield* EventStore
    return handlers.handleAll({
      // By slug; the cursor is the last slug of the page.
      listWorkflows: Effect.fnUntraced(function* ({ query: { cursor, limit = pageSize, minPosition } }) {
        yield* answer(reached(store, minPosition))
        const all = yield* answer(engine.workflows)
        if (cursor !== undefined && !all.some(({ slug }) => slug === cursor)) {
          return yield* answer(Effect.fail(new InvalidCursor({ cursor })))
        }
        const sorted = all
          .filter(({ slug }) => cursor === undefined || slug > cursor)
          .sort((left, right) => (left.slug < right.slug ? -1 : 1))
        const data = sorted.slice(0, limit)
        return { data, nextCursor: sorted.length > limit ? (data.at(-1)?.slug ?? null) : null }
      }),

      readWorkflow: ({ params: { slug } }) => Effect.map(answer(engine.workflow(slug)), (data) => ({ data })),

      define: Effect.fnUntraced(function* ({ headers, params: { slug }, payload }) {
        const principal = yield* Principal
        const caller = callerOf({ principal, route: "PUT /workflows/{slug}", ids: [slug], headers, body: payload })
        const { outcome, position, workflow } = yield* answer(engine.define(slug, payload, "http", caller))
        return HttpServerResponse.jsonUnsafe(
          { data: workflow, position },
          { status: outcome === "created" ? 201 : 200 }
        )
      }),

      startRun: Effect.fnUntraced(function* ({ headers, params: { slug }, payload }) {
        const principal = yield* Principal
        const route = "POST /workflows/{slug}/run"
        const caller = callerOf({ principal, route, ids: [slug], headers, body: payload })
        const { position, run } = yield* answer(engine.startRun({ workflow: slug, ...payload, caller }))
        return { data: run, position }
      }),

      recoverRunAlias: ({ headers, params: { runId }, payload }) => recoverRun(engine, runId, headers, payload)
    })
  })
)
