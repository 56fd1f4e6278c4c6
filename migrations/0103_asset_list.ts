import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Read model `asset_list_v1`: one row an asset partition, with its current generation. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE asset_list_v1 (
      asset_key text COLLATE "C" NOT NULL,
      partition_key text COLLATE "C" NOT NULL,
      asset_id text NOT NULL,
      -- 0: reported missing before it was ever produced; then workflow, step and run are unknown.
      generation int NOT NULL,
      generations int NOT NULL,
      workflow text,
      version int,
      step_id text,
      run_id text,
      produced_at timestamptz,
      -- 'missing' or 'corrupt'; null: as far as is known it is there.
      missing text,
      missing_since timestamptz,
      position text COLLATE "C" NOT NULL,
      PRIMARY KEY (asset_key, partition_key)
    )`
  // For the assets of one workflow.
  yield* sql`CREATE INDEX asset_list_v1_workflow ON asset_list_v1 (workflow, asset_key)`
})
