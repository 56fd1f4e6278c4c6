import { Effect, Schema } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Engine, NotFound } from "../actors/Engine.ts"
import { runDiff } from "../domain/run/RunDiff.ts"
import { EventStore, Position, type RecordedEvent } from "../eventstore/EventStore.ts"
import { InvalidCursor } from "../projections/Page.ts"
import { answer } from "./Answer.ts"
import { asOf, refuseCursorAhead } from "./AsOf.ts"
import { Api } from "./api/Api.ts"
import { pageSize } from "./api/Fields.ts"
import { Principal } from "./api/Guards.ts"
import { callerOf, type CommandRequest } from "./Command.ts"
import { viewOf } from "./EventShape.ts"
import { reached } from "./Reached.ts"
import { Reads } from "./Reads.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "runs",
  Effect.fnUntraced(function* (handlers) {
    const engine = yield* Engine
    const reads = yield* Reads
    const store = yield* EventStore
    return handlers.handleAll({
      listRuns: ({ query: { cursor, limit, minPosition, ...filter } }) =>
        answer(reads.listRuns(filter, { cursor, limit, minPosition })),

      readRun: ({ params: { id }, query: { at } }) =>
        Effect.map(asOf(store, at, `run-${id}`, engine.run(id, at)), (data) => ({ data })),

      runEvents: ({ params: { id }, query: { cursor, limit = pageSize, minPosition } }) =>
        refuseCursorAhead(store, cursor).pipe(
          Effect.andThen(answer(reached(store, minPosition))),
          Effect.andThen(answer(eventsOf(store, id, cursor ?? "", limit)))
        ),

      runDiff: ({ params: { id }, query }) =>
        Effect.map(
          Effect.all([answer(engine.run(query.with)), answer(engine.run(id))], { concurrency: 2 }),
          ([before, after]) => ({ data: runDiff(before, after) })
        ),

      cancelRun: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const principal = yield* Principal
        const caller = callerOf({ principal, route: "POST /runs/{id}/cancel", ids: [id], headers, body: payload })
        const { position, run } = yield* answer(engine.cancelRun(id, payload?.reason ?? "", caller))
        return { data: run, position }
      }),

      recoverRun: ({ headers, params: { id }, payload }) => recoverRun(engine, id, headers, payload)
    })
  })
)

/** Under both of its paths one command: the same key is the same recovery. */
export const recoverRun = Effect.fnUntraced(function* (
  engine: Engine["Service"],
  runId: string,
  headers: CommandRequest["headers"],
  body: unknown
) {
  const principal = yield* Principal
  const caller = callerOf({ principal, route: "POST /runs/{id}/recover", ids: [runId], headers, body })
  const { kept, position, rerun, run } = yield* answer(engine.recoverRun(runId, caller))
  return { data: run, kept, rerun, position }
})

const isPosition = Schema.is(Position)

/** Events read from a run's stream at once. */
const batchEvents = 1_000

/** A page of a run's own events; the cursor is the position of the last one that was given. */
const eventsOf = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  runId: string,
  cursor: string,
  limit: number
) {
  if (cursor !== "" && !isPosition(cursor)) return yield* new InvalidCursor({ cursor })
  const found: Array<RecordedEvent> = []
  let version = 0
  while (found.length <= limit) {
    const batch = yield* store.read(`run-${runId}`, version, batchEvents)
    if (version === 0 && batch.length === 0) return yield* new NotFound({ kind: "run", id: runId })
    version += batch.length
    found.push(...batch.filter((event) => event.position > cursor))
    if (batch.length < batchEvents) break
  }
  const data = found.slice(0, limit)
  return { data: data.map(viewOf), nextCursor: found.length > limit ? (data.at(-1)?.position ?? null) : null }
})
