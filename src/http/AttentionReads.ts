import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { LogUnavailable, Position } from "../eventstore/EventStore.ts"
import { Attention } from "../projections/Attention.ts"
import * as AttentionQuery from "../projections/AttentionQuery.ts"
import type { PageRequest } from "../projections/Page.ts"
import { ProjectionRunner } from "../projections/ProjectionRunner.ts"
import type { Listing } from "./Reads.ts"

/** What needs a human, as the API lists it. */
export class AttentionReads extends Context.Service<
  AttentionReads,
  {
    readonly list: (
      filter: AttentionQuery.AttentionFilter,
      request: PageRequest & { readonly minPosition?: Position | undefined }
    ) => Listing<AttentionQuery.AttentionItem>
    /** Muted or not; null: nothing with this id needs anybody now. */
    readonly read: (id: string) => Effect.Effect<AttentionQuery.AttentionItem | null, LogUnavailable>
  }
>()("kintsugi/http/AttentionReads") {
  static readonly layer = Layer.effect(
    AttentionReads,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const runner = yield* ProjectionRunner
      const withSql = Effect.provideService(SqlClient.SqlClient, sql)
      const reached = (position: Position) =>
        Effect.catchTag(runner.waitFor(position, { name: Attention.name }), "UnknownProjection", Effect.die)
      return AttentionReads.of({
        list: (filter, { minPosition, ...request }) =>
          Effect.andThen(
            minPosition === undefined ? Effect.void : reached(minPosition),
            withSql(AttentionQuery.list(filter, request))
          ),
        read: (id) => withSql(AttentionQuery.read(id))
      })
    })
  )
}
