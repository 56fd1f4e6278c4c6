import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { AssetInventory } from "../actors/AssetInventory.ts"
import { EventStore } from "../eventstore/EventStore.ts"
import { IntegrityInventory } from "../projections/IntegrityInventory.ts"
import * as Query from "../projections/IntegrityInventoryQuery.ts"
import { ProjectionRunner } from "../projections/ProjectionRunner.ts"

/** How long a check waits for the read model: what it does not know yet is for the next check. */
const readyWithinMs = 30_000

/** What checks of assets look at, from the read model. */
export const layer = Layer.effect(
  AssetInventory,
  Effect.gen(function* () {
    const log = yield* EventStore
    const runner = yield* ProjectionRunner
    const sql = yield* SqlClient.SqlClient
    const withSql = <A, E>(query: Effect.Effect<A, E, SqlClient.SqlClient>) =>
      Effect.provideService(query, SqlClient.SqlClient, sql)

    return AssetInventory.of({
      ready: Effect.flatMap(log.head, (head) =>
        runner.waitFor(head, { name: IntegrityInventory.name, timeoutMs: readyWithinMs })
      ).pipe(Effect.catch((error) => Effect.logWarning("a check begins on an inventory that is behind", error))),
      page: (options) => withSql(Query.page(options)),
      recorded: (assetId, partitionIds) => withSql(Query.recorded(assetId, partitionIds)),
      openRuns: (workflow, partitionKey) => withSql(Query.openRuns(workflow, partitionKey))
    })
  })
)
