import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Read model `materialization_counters_v1`: what became of automatic runs, since the log began. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE materialization_counters_v1 (
      -- Why it ran, or, of what was held, what held it.
      reason text COLLATE "C" NOT NULL,
      outcome text COLLATE "C" NOT NULL,
      value bigint NOT NULL,
      PRIMARY KEY (reason, outcome)
    )`
})
