import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Read model `backfill_list_v1`: one row a backfill. What failed, by run, is in its own table: rows stay small. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE backfill_list_v1 (
      id text PRIMARY KEY,
      workflow text NOT NULL,
      asset_id text,
      status text NOT NULL,
      reason text NOT NULL,
      concurrency int NOT NULL,
      canary int NOT NULL,
      only_missing boolean NOT NULL,
      total int NOT NULL,
      started int NOT NULL,
      succeeded int NOT NULL,
      failed int NOT NULL,
      canceled int NOT NULL,
      skipped int NOT NULL,
      failed_canary text,
      requested_at timestamptz NOT NULL,
      finished_at timestamptz
    ) WITH (fillfactor = 80)`
  yield* sql`CREATE INDEX backfill_list_v1_requested ON backfill_list_v1 (requested_at)`
  // A run that failed may be recovered and succeed: it is no longer counted as failed then.
  yield* sql`
    CREATE TABLE backfill_list_v1_failures (
      id text NOT NULL,
      run_id text NOT NULL,
      outcome text NOT NULL,
      PRIMARY KEY (id, run_id)
    )`
})
