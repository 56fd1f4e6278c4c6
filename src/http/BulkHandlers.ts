import { Effect, Schema } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { BulkOperations } from "../actors/BulkOperations.ts"
import { EventStore } from "../eventstore/EventStore.ts"
import { answer } from "./Answer.ts"
import { asOf } from "./AsOf.ts"
import { Api } from "./api/Api.ts"
import { BulkRequest } from "./api/BulkSchemas.ts"
import { Principal } from "./api/Guards.ts"
import * as BulkSelection from "./BulkSelection.ts"
import { callerOf } from "./Command.ts"
import { Reads } from "./Reads.ts"

/** Back to what was sent: times are text again. */
const encode = Schema.encodeUnknownSync(BulkRequest)

export const layer = HttpApiBuilder.group(
  Api,
  "bulk",
  Effect.fnUntraced(function* (handlers) {
    const bulks = yield* BulkOperations
    const reads = yield* Reads
    const store = yield* EventStore
    return handlers.handleAll({
      requestBulk: Effect.fnUntraced(function* ({ headers, payload }) {
        const body = encode(payload)
        const { dryRun, filter, ...rest } = payload
        const request = { ...rest, ...(filter === undefined ? {} : { filter: { ...body.filter } }) }
        const select = BulkSelection.select(reads, payload)
        if (dryRun === true) return { data: yield* answer(bulks.plan(request, select)) }
        const principal = yield* Principal
        const caller = callerOf({ principal, route: "POST /bulk", ids: [], headers, body })
        const { bulk, position } = yield* answer(bulks.request(request, select, caller))
        return { data: bulk, position }
      }),

      listBulks: ({ query: { cursor, limit, minPosition, ...filter } }) =>
        answer(reads.listBulks(filter, { cursor, limit, minPosition })),

      readBulk: ({ params: { id }, query: { at } }) =>
        Effect.map(asOf(store, at, `bulk-${id}`, bulks.read(id, at)), (data) => ({ data })),

      cancelBulk: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const principal = yield* Principal
        const caller = callerOf({ principal, route: "POST /bulk/{id}/cancel", ids: [id], headers, body: payload })
        const { bulk, position } = yield* answer(bulks.cancel(id, payload?.reason ?? "", caller))
        return { data: bulk, position }
      })
    })
  })
)
