import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Where each projection stands. A rebuild in progress has a row of its own, `<name>#rebuild`. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Updated in place with every batch: room in the page keeps the updates off the index.
  yield* sql`
    CREATE TABLE projection_checkpoints (
      name text PRIMARY KEY,
      -- The last event that the projection's tables contain; null: none yet.
      position text COLLATE "C",
      -- Why the projection is parked; null: it is not.
      error text,
      updated_at timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 50)`
})
