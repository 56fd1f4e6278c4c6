import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Read model `asset_locations_v1`: which asset owns the file of this store and key. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // "C": a prefix of keys is a range of the primary key, whatever the database's language.
  yield* sql`
    CREATE TABLE asset_locations_v1 (
      store text COLLATE "C" NOT NULL,
      key text COLLATE "C" NOT NULL,
      asset_id text NOT NULL,
      -- The asset id in lower case: asset ids are compared without case.
      asset_key text NOT NULL,
      partition_key text NOT NULL,
      generation int NOT NULL,
      sha256 text NOT NULL,
      bytes bigint NOT NULL,
      etag text NOT NULL,
      -- Whether the asset's step wrote the bytes, or only lists the file.
      written boolean NOT NULL,
      produced_at timestamptz NOT NULL,
      position text COLLATE "C" NOT NULL,
      PRIMARY KEY (store, key)
    )`
  // For "where else are these bytes".
  yield* sql`CREATE INDEX asset_locations_v1_sha256 ON asset_locations_v1 (sha256)`
  // The newest generation of each asset partition: files of an older one are no longer part of it.
  yield* sql`
    CREATE TABLE asset_locations_v1_current (
      asset_key text NOT NULL,
      partition_key text NOT NULL,
      generation int NOT NULL,
      produced_at timestamptz NOT NULL,
      PRIMARY KEY (asset_key, partition_key)
    )`
})
