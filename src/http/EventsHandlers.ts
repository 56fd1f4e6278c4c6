import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { EventStore } from "../eventstore/EventStore.ts"
import { answer } from "./Answer.ts"
import { refuseAhead } from "./AsOf.ts"
import { Api } from "./api/Api.ts"
import { Draining } from "./Draining.ts"
import * as EventFeed from "./EventFeed.ts"
import * as EventTail from "./EventTail.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "events",
  Effect.fnUntraced(function* (handlers) {
    const store = yield* EventStore
    const stopped = yield* Draining
    const tails = yield* EventTail.make(store, stopped)
    return handlers.handleAll({
      listEvents: ({ query: { after, category, limit, type } }) =>
        EventFeed.lines(after ?? null, { category, types: type }, limit ?? Number.MAX_SAFE_INTEGER).pipe(
          Effect.provideService(EventStore, store),
          answer,
          Effect.map((lines) => HttpServerResponse.stream(lines, { contentType: "application/x-ndjson" })),
          (lines) => Effect.andThen(refuseAhead(store, { in: "query", path: "after" }, after), lines)
        ),

      // Last-Event-ID wins: a browser that reconnects sends it with the URL that it began with.
      streamEvents: Effect.fnUntraced(function* ({ headers, query: { after, category, type } }) {
        const resumed = headers["last-event-id"]
        if (resumed === undefined) yield* refuseAhead(store, { in: "query", path: "after" }, after)
        else yield* refuseAhead(store, { in: "header", path: "last-event-id" }, resumed)
        const from = resumed ?? after ?? (yield* answer(store.head))
        const filter = { category, types: type }
        const tail = yield* tails.of(filter)
        const frames = yield* EventFeed.serverSent(from, filter, stopped, tail).pipe(
          Effect.provideService(EventStore, store)
        )
        return HttpServerResponse.stream(frames, {
          contentType: "text/event-stream",
          // A proxy must pass every event on as it comes.
          headers: { "x-accel-buffering": "no" }
        })
      })
    })
  })
)
