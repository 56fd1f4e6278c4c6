import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Read model `recovery_list_v1`: one row a recovery, and counters that survive restarts. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE recovery_list_v1 (
      id text PRIMARY KEY,
      asset_id text NOT NULL,
      asset_key text NOT NULL,
      partition_key text NOT NULL,
      lost_generation int NOT NULL,
      status text NOT NULL,
      -- Between two attempts.
      backing_off boolean NOT NULL,
      class text,
      round int NOT NULL,
      attempts int NOT NULL,
      max_attempts int NOT NULL,
      waiter_count int NOT NULL,
      released int NOT NULL,
      reason_code text,
      failure json,
      root_cause json,
      producer_run_id text,
      via text,
      generation int,
      content_changed boolean,
      requested_at timestamptz NOT NULL,
      finished_at timestamptz
    ) WITH (fillfactor = 80)`
  yield* sql`CREATE INDEX recovery_list_v1_requested ON recovery_list_v1 (requested_at)`
  yield* sql`CREATE INDEX recovery_list_v1_asset ON recovery_list_v1 (asset_key, requested_at)`
  yield* sql`
    CREATE INDEX recovery_list_v1_open ON recovery_list_v1 (status)
    WHERE status IN ('requested', 'planned', 'running')`
  yield* sql`
    CREATE TABLE recovery_list_v1_counters (
      metric text NOT NULL,
      class text NOT NULL,
      outcome text NOT NULL,
      value bigint NOT NULL,
      PRIMARY KEY (metric, class, outcome)
    ) WITH (fillfactor = 50)`
})
