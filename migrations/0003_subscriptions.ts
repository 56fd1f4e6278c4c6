import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Where each named subscription of the log stands. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Updated in place with every batch: room in the page keeps the updates off the index.
  yield* sql`
    CREATE TABLE subscriptions (
      name text PRIMARY KEY,
      -- The last event that was handled; null: none yet.
      position text COLLATE "C",
      -- Why the subscription has stopped; null: it has not.
      error text,
      heartbeat_at timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 50)`
})
