import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Read model `attention_v1`: what needs a human, and the little that it must know of runs to say so. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Rows that are not open are kept while the thing may come back, because they count how often it has.
  yield* sql`
    CREATE TABLE attention_v1 (
      id text PRIMARY KEY,
      kind text NOT NULL,
      open boolean NOT NULL,
      -- What settles it when it happens elsewhere: a success of the same work, a production of the same asset.
      subject text COLLATE "C",
      reason_code text NOT NULL,
      message text NOT NULL,
      severity text NOT NULL,
      count int NOT NULL,
      since timestamptz NOT NULL,
      workflow text,
      asset_id text,
      partition_key text,
      run_id text,
      recovery_id text,
      step_id text,
      root_cause json,
      waiting json NOT NULL,
      muted_until timestamptz,
      muted_reason text,
      muted_by text
    ) WITH (fillfactor = 80)`
  // The list's order; it is short where things go well, and the index with it.
  yield* sql`CREATE INDEX attention_v1_since ON attention_v1 (since, id) WHERE open`
  yield* sql`
    CREATE TABLE attention_v1_runs (
      run_id text PRIMARY KEY,
      workflow text NOT NULL,
      partition_key text,
      trigger_type text NOT NULL,
      -- null: its success is nobody else's, because it executes a part of the workflow only.
      subject text COLLATE "C"
    )`
})
