import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Read model `materialization_list_v1`: which partitions of a workflow have automatic runs, and their counters. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE materialization_list_v1 (
      id text PRIMARY KEY,
      workflow text COLLATE "C" NOT NULL,
      partition_key text NOT NULL,
      -- Why a run is wanted, and why the last one was started: the labels of what becomes of them.
      wanted_reason text,
      started_reason text,
      position text COLLATE "C" NOT NULL
    ) WITH (fillfactor = 80)`
  // Newest activity first; each row has the position of its last event, so it is unique.
  yield* sql`CREATE INDEX materialization_list_v1_newest ON materialization_list_v1 (workflow, position)`
  yield* sql`
    CREATE TABLE materialization_list_v1_counters (
      reason text NOT NULL,
      outcome text NOT NULL,
      value bigint NOT NULL,
      PRIMARY KEY (reason, outcome)
    ) WITH (fillfactor = 50)`
  // The newest run of each partition of a workflow; a run without a partition costs it nothing.
  yield* sql`
    CREATE INDEX run_list_v1_ended_partition ON run_list_v1_ended
      (workflow, lower(partition_key COLLATE "C"), created_at) WHERE partition_key IS NOT NULL`
})
