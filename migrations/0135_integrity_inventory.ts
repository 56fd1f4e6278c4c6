import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Read model `integrity_inventory_v1`: what a check of assets looks at, one row an asset partition, in its order. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE integrity_inventory_v1 (
      -- Asset id and partition key in lower case: names are compared without case.
      asset_key text COLLATE "C" NOT NULL,
      partition_id text COLLATE "C" NOT NULL,
      asset_id text NOT NULL,
      partition_key text NOT NULL,
      -- The current generation, and the newest one whose bytes differ from those before it.
      generation int NOT NULL,
      content_generation int NOT NULL,
      workflow text NOT NULL,
      source text,
      -- When its data is from, and when the log was told of its newest bytes.
      produced_at timestamptz NOT NULL,
      recorded_at timestamptz NOT NULL,
      -- [store, key, bytes, etag, sha256, written], and how many.
      parts json NOT NULL,
      part_count int NOT NULL,
      -- The required inputs that it was made from: [asset key, partition in lower case, generation], the first 1,000.
      inputs json NOT NULL,
      is_missing boolean NOT NULL,
      expired_at timestamptz,
      stale_since timestamptz,
      PRIMARY KEY (asset_key, partition_id)
    ) WITH (fillfactor = 80)`
})
