import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Read model `asset_list_v2`: one row an asset partition, the totals of each asset, and where each production is. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Built anew from the log under its new name.
  yield* sql`DROP TABLE asset_list_v1`
  yield* sql`DELETE FROM projection_checkpoints WHERE name = 'asset_list_v1'`
  yield* sql`
    CREATE TABLE asset_list_v2 (
      -- Asset id and partition key in lower case: names are compared without case.
      asset_key text COLLATE "C" NOT NULL,
      partition_id text COLLATE "C" NOT NULL,
      asset_id text NOT NULL,
      partition_key text NOT NULL,
      state text NOT NULL,
      -- 0: reported missing before it was ever produced; then workflow, step and run are unknown.
      generation int NOT NULL,
      generations int NOT NULL,
      workflow text,
      version int,
      step_id text,
      run_id text,
      run_partition_key text,
      source text,
      produced_at timestamptz,
      first_produced_at timestamptz,
      -- Of the first production: the order in which partitions came to be.
      first_position text COLLATE "C",
      restored boolean NOT NULL,
      -- 'missing' or 'corrupt'; null: as far as is known it is there.
      missing text,
      missing_since timestamptz,
      expires_at timestamptz,
      expired_at timestamptz,
      stale_since timestamptz,
      stale_note text,
      -- What the current generation was made from: [asset key, partition in lower case, generation], the first 1,000.
      inputs json,
      position text COLLATE "C" NOT NULL,
      PRIMARY KEY (asset_key, partition_id)
    ) WITH (fillfactor = 80)`
  // For the assets of one workflow.
  yield* sql`CREATE INDEX asset_list_v2_workflow ON asset_list_v2 (workflow, asset_key)`
  // For "what is missing": costs what is well nothing.
  yield* sql`
    CREATE INDEX asset_list_v2_state ON asset_list_v2 (state, asset_key, partition_id) WHERE state <> 'materialized'`
  // For the next refresh of a workflow.
  yield* sql`
    CREATE INDEX asset_list_v2_expiry ON asset_list_v2 (workflow, expires_at) WHERE expires_at IS NOT NULL`
  // How many partitions of an asset are in which state: kept by each batch, so that nobody counts 100,000 rows.
  yield* sql`
    CREATE TABLE asset_list_v2_totals (
      asset_key text COLLATE "C" PRIMARY KEY,
      asset_id text NOT NULL,
      materialized int NOT NULL,
      missing int NOT NULL,
      stale int NOT NULL,
      expired int NOT NULL,
      not_materialized int NOT NULL,
      produced_at timestamptz
    ) WITH (fillfactor = 60)`
  // Where in its stream each production is: history of an asset over all partitions, newest first.
  yield* sql`
    CREATE TABLE asset_list_v2_history (
      asset_key text COLLATE "C" NOT NULL,
      position text COLLATE "C" NOT NULL,
      partition_id text COLLATE "C" NOT NULL,
      stream_version int NOT NULL,
      PRIMARY KEY (asset_key, position)
    )`
  yield* sql`
    CREATE INDEX asset_list_v2_history_partition ON asset_list_v2_history (asset_key, partition_id, position)`
})
