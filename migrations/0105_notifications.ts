import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Read model `notifications_v1`, and what operators have read, which no rebuild may forget. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE notifications_v1 (
      id text PRIMARY KEY,
      kind text NOT NULL,
      message text NOT NULL,
      run_id text,
      recovery_id text,
      workflow text,
      step_id text,
      at timestamptz NOT NULL,
      data json NOT NULL
    )`
  yield* sql`CREATE INDEX notifications_v1_at ON notifications_v1 (at)`
  // Runs that a restart cut off: what became of each is added to the restart's one summary.
  yield* sql`
    CREATE TABLE notifications_v1_interrupted (
      process_id text NOT NULL,
      run_id text NOT NULL,
      -- Of the event that says so.
      position text COLLATE "C" NOT NULL,
      -- 'recovered', 'failed' or 'canceled'; null: it goes on.
      outcome text,
      PRIMARY KEY (process_id, run_id)
    )`
  yield* sql`CREATE INDEX notifications_v1_interrupted_run ON notifications_v1_interrupted (run_id)`
  // Operators' data, not derived from the log: a table that no projection owns.
  yield* sql`
    CREATE TABLE notification_reads (
      notification_id text PRIMARY KEY,
      read_at timestamptz NOT NULL
    )`
})
