import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Engine } from "../actors/Engine.ts"
import { EventStore } from "../eventstore/EventStore.ts"
import { answer } from "./Answer.ts"
import { Api } from "./api/Api.ts"
import { Reads } from "./Reads.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "admin",
  Effect.fnUntraced(function* (handlers) {
    const engine = yield* Engine
    const reads = yield* Reads
    const store = yield* EventStore
    // What is known without the database is told without it.
    const overview = Effect.all(
      {
        head: Effect.orElseSucceed(store.head, () => null),
        projections: Effect.map(reads.projections, (all) => all.map((status) => ({ ...status }))),
        horizonHolder: Effect.orElseSucceed(reads.horizonHolder, () => null)
      },
      { concurrency: "unbounded" }
    )
    return handlers.handleAll({
      queueHealth: ({ query: { minPosition } }) =>
        Effect.map(answer(reads.queueHealth(minPosition)), (data) => ({ data })),
      stores: () => Effect.map(answer(engine.stores), (data) => ({ data })),
      projections: () => Effect.map(answer(overview), (data) => ({ data }))
    })
  })
)
