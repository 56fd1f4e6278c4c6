import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Read model `asset_partitions_v1`: the partitions that assets have, in the order of their first production. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE asset_partitions_v1 (
      -- The asset id in lower case: asset ids are compared without case, and partition keys too.
      asset_key text COLLATE "C" NOT NULL,
      partition_id text COLLATE "C" NOT NULL,
      -- As it was first written.
      partition_key text NOT NULL,
      -- Of the first production, or of the first one after the key was retired.
      first_position text COLLATE "C" NOT NULL,
      PRIMARY KEY (asset_key, partition_id)
    )`
  // For the partitions of an asset in their order.
  yield* sql`CREATE INDEX asset_partitions_v1_order ON asset_partitions_v1 (asset_key, first_position)`
})
