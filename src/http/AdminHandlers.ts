import { Duration, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Engine } from "../actors/Engine.ts"
import { EventStore, type Position } from "../eventstore/EventStore.ts"
import { answer } from "./Answer.ts"
import { refuseAhead } from "./AsOf.ts"
import { Api } from "./api/Api.ts"
import { InvalidInputProblem } from "./api/Problems.ts"
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
        head: orUnknown(store.head),
        projections: Effect.map(reads.projections, (all) => all.map((status) => ({ ...status }))),
        horizonHolder: orUnknown(reads.horizonHolder)
      },
      { concurrency: "unbounded" }
    )
    const healthAt = Effect.fnUntraced(function* (at: Position | number, minPosition: Position | undefined) {
      if (minPosition !== undefined) {
        const errors = [{ in: "query" as const, path: "minPosition", message: "has no meaning together with at" }]
        return yield* new InvalidInputProblem({ detail: "The request is not valid", errors })
      }
      yield* refuseAhead(store, { in: "query", path: "at" }, at)
      return yield* answer(reads.queueHealthAt(at))
    })
    return handlers.handleAll({
      queueHealth: ({ query: { at, minPosition } }) =>
        at === undefined
          ? Effect.map(answer(reads.queueHealth(minPosition)), (data) => ({ data }))
          : Effect.map(healthAt(at, minPosition), (data) => ({ data })),
      stores: () => Effect.map(answer(engine.stores), (data) => ({ data })),
      projections: () => Effect.map(answer(overview), (data) => ({ data }))
    })
  })
)

/** A database that hangs tells as little as one that is away. */
const patience = Duration.seconds(2)
const orUnknown = <A, E, R>(known: Effect.Effect<A, E, R>): Effect.Effect<A | null, never, R> =>
  known.pipe(
    Effect.timeout(patience),
    Effect.orElseSucceed(() => null)
  )
