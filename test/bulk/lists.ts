import { Context, Effect, Layer } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import { Reads } from "../../src/http/Reads.ts"
import type { RunFilter } from "../../src/projections/RunListQuery.ts"
import * as Fakes from "../http/Fakes.ts"

/** Lists of runs and recoveries straight from the log, for an engine without a database. */
export const layer = (state: Fakes.FakeState) =>
  Layer.effect(
    Reads,
    Effect.gen(function* () {
      const engine = yield* Engine
      const log = yield* EventStore
      const others = Context.get(yield* Layer.build(Fakes.reads(state)), Reads)
      const idsOf = (category: string) =>
        Effect.map(log.readAll({ after: null, limit: 100_000 }), ({ events }) =>
          events.flatMap(({ streamName, streamVersion }) =>
            streamVersion === 1 && streamName.startsWith(`${category}-`) ? [streamName.slice(category.length + 1)] : []
          )
        )
      const page = <A>(all: ReadonlyArray<A>, limit = 50, cursor = "0") => {
        const from = Number(cursor)
        const end = from + limit
        return { data: all.slice(from, end), nextCursor: end < all.length ? String(end) : null }
      }
      return Reads.of({
        ...others,
        listRuns: (filter, { cursor, limit }) =>
          Effect.gen(function* () {
            const runs = yield* Effect.forEach(yield* idsOf("run"), (id) => Effect.orDie(engine.run(id)))
            const found = runs.reverse().filter((run) => matches(run, filter))
            const shown = found.map(({ steps: _steps, ...run }) => run)
            return page(shown, limit, cursor)
          }),
        listRecoveries: ({ assetId, status }, { cursor, limit }) =>
          Effect.gen(function* () {
            const all = yield* Effect.forEach(yield* idsOf("recovery"), (id) => Effect.orDie(engine.recovery(id)))
            const fits = (one: (typeof all)[number]) =>
              (status ?? one.status) === one.status && (assetId ?? one.assetId) === one.assetId
            return page(all.reverse().filter(fits), limit, cursor)
          })
      })
    })
  )

const matches = (
  run: { readonly workflow: string; readonly status: string; readonly partitionKey: string | null },
  { partitionKey, status, workflow }: RunFilter
) =>
  (workflow ?? run.workflow) === run.workflow &&
  (status ?? run.status) === run.status &&
  (partitionKey ?? run.partitionKey) === run.partitionKey
