import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Engine } from "../actors/Engine.ts"
import { shownPartition } from "../domain/run/RunView.ts"
import { EventStore } from "../eventstore/EventStore.ts"
import { answer } from "./Answer.ts"
import { asOf } from "./AsOf.ts"
import { Api } from "./api/Api.ts"
import { Principal } from "./api/Guards.ts"
import { callerOf } from "./Command.ts"
import * as RecoveryChain from "./RecoveryChain.ts"
import { Reads } from "./Reads.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "recoveries",
  Effect.fnUntraced(function* (handlers) {
    const engine = yield* Engine
    const reads = yield* Reads
    const store = yield* EventStore
    return handlers.handleAll({
      listRecoveries: ({ query: { cursor, limit, minPosition, ...filter } }) =>
        answer(reads.listRecoveries(filter, { cursor, limit, minPosition })),

      readRecovery: ({ params: { id }, query: { at } }) =>
        Effect.map(asOf(store, at, `recovery-${id}`, engine.recovery(id, at)), (data) => ({ data })),

      recoveryChain: ({ params: { id } }) =>
        Effect.map(answer(Effect.provideService(RecoveryChain.read(id), EventStore, store)), (data) => ({ data })),

      planRecovery: ({ payload: { assetId, partitionKey } }) =>
        Effect.map(answer(engine.planRecovery(assetId, partitionKey)), (plan) => ({
          data: {
            ...plan,
            partitionKey: shownPartition(plan.partitionKey ?? undefined),
            rootCause: plan.rootCause === null ? null : shown(plan.rootCause),
            plan: plan.plan.map(shown)
          }
        })),

      retryRecovery: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const principal = yield* Principal
        const caller = callerOf({ principal, route: "POST /recoveries/{id}/retry", ids: [id], headers, body: payload })
        const { position, recovery } = yield* answer(engine.retryRecovery(id, caller))
        return { data: recovery, position }
      }),

      cancelRecovery: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const principal = yield* Principal
        const caller = callerOf({ principal, route: "POST /recoveries/{id}/cancel", ids: [id], headers, body: payload })
        const { position, recovery } = yield* answer(engine.cancelRecovery(id, payload?.reason ?? "", caller))
        return { data: recovery, position }
      })
    })
  })
)

const shown = <A extends { readonly partitionKey: string }>({ partitionKey, ...rest }: A) => ({
  ...rest,
  partitionKey: shownPartition(partitionKey)
})
