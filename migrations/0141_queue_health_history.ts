import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** What the queues looked like, once a minute: for `GET /admin/queue-health?at=`. Old rows are taken away. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE queue_health_history (
      minute timestamptz PRIMARY KEY,
      -- The place in the log that the counts of steps belong to; null: before its first event.
      position text COLLATE "C",
      health json NOT NULL
    )`
  yield* sql`CREATE INDEX queue_health_history_position ON queue_health_history (position, minute)`
})
