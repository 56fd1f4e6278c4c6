import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { Position } from "../eventstore/EventStore.ts"
import * as AssetHistoryQuery from "../projections/AssetHistoryQuery.ts"
import * as AssetListQuery from "../projections/AssetListQuery.ts"
import * as AssetTotalsQuery from "../projections/AssetTotalsQuery.ts"
import * as MaterializationListQuery from "../projections/MaterializationListQuery.ts"
import * as PartitionsQuery from "../projections/PartitionsQuery.ts"
import { ProjectionRunner } from "../projections/ProjectionRunner.ts"
import { Inventory } from "./Inventory.ts"

/** The lists and counts of assets, from the read models. */
export const layer = Layer.effect(
  Inventory,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const runner = yield* ProjectionRunner
    const partitions = PartitionsQuery.make()

    const withSql = <A, E>(query: Effect.Effect<A, E, SqlClient.SqlClient>): Effect.Effect<A, E> =>
      Effect.provideService(query, SqlClient.SqlClient, sql)
    const after = <A, E>(minPosition: Position | undefined, query: Effect.Effect<A, E, SqlClient.SqlClient>) =>
      minPosition === undefined
        ? withSql(query)
        : Effect.andThen(
            // Without a name no projection can be unknown.
            Effect.catchTag(runner.waitFor(minPosition), "UnknownProjection", Effect.die),
            withSql(query)
          )

    return Inventory.of({
      list: (filter, { minPosition, ...request }) => after(minPosition, AssetListQuery.list(filter, request)),
      history: (asset, { minPosition, ...request }) => after(minPosition, AssetHistoryQuery.list(asset, request)),
      partitions: (asset, { minPosition, ...request }) => after(minPosition, partitions(asset, request)),
      totals: (assetIds, minPosition) => after(minPosition, AssetTotalsQuery.read(assetIds)),
      outdated: (assetIds) => withSql(AssetTotalsQuery.outdated(assetIds)),
      automatic: (workflow, { minPosition, ...request }) =>
        after(minPosition, MaterializationListQuery.list(workflow, request)),
      nextRefresh: (workflow, assetIds, partitionKeys) =>
        withSql(MaterializationListQuery.nextRefresh(workflow, assetIds, partitionKeys))
    })
  })
)
