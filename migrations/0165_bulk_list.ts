import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Read model `bulk_list_v1`: one row a bulk operation. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE bulk_list_v1 (
      id text PRIMARY KEY,
      target text NOT NULL,
      action text NOT NULL,
      status text NOT NULL,
      reason text NOT NULL,
      principal text,
      total int NOT NULL,
      done int NOT NULL,
      skipped int NOT NULL,
      failed int NOT NULL,
      canary int NOT NULL,
      requested_at timestamptz NOT NULL,
      ended_at timestamptz
    ) WITH (fillfactor = 80)`
  yield* sql`CREATE INDEX bulk_list_v1_requested ON bulk_list_v1 (requested_at)`
})
