import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** What goes out to the channels of notifications, until it is there; kept a while, so that nothing goes out twice. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE notification_deliveries (
      -- Made of the channel and the notification: the same one is queued once.
      id text PRIMARY KEY,
      channel text NOT NULL,
      notification_id text NOT NULL,
      -- Position of its event: the order in which it goes out.
      place text COLLATE "C" NOT NULL,
      -- What keeps its order; '' for nothing.
      run_id text NOT NULL,
      is_digest boolean NOT NULL,
      -- 'pending', 'delivered', 'digested' (it went out in a digest) or 'dead'.
      status text NOT NULL,
      notification json NOT NULL,
      attempts int NOT NULL,
      first_tried_at timestamptz,
      due_at timestamptz NOT NULL,
      error text,
      created_at timestamptz NOT NULL,
      finished_at timestamptz
    ) WITH (fillfactor = 80)`
  yield* sql`CREATE INDEX notification_deliveries_pending ON notification_deliveries (channel, place) WHERE status = 'pending'`
  yield* sql`CREATE INDEX notification_deliveries_created ON notification_deliveries (created_at, id)`
  yield* sql`CREATE INDEX notification_deliveries_finished ON notification_deliveries (finished_at) WHERE finished_at IS NOT NULL`
})
