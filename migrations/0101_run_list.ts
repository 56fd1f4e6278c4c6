import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Read model `run_list_v1` (ADR 0004): runs that go on, runs that have ended, known definitions, counters. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Only runs that go on, so it stays small; written several times a run, so it has no index but its key. An update in
  // place finds room in the page (HOT) and touches no index at all.
  yield* sql`
    CREATE TABLE run_list_v1_active (
      id text PRIMARY KEY,
      workflow text NOT NULL,
      version int NOT NULL,
      status text NOT NULL,
      partition_key text,
      run_key text,
      trigger json NOT NULL,
      created_at timestamptz NOT NULL,
      started_at timestamptz,
      failure json,
      -- Each step's state, for folding what comes next (RunFold).
      steps json NOT NULL,
      -- How many of its steps are where, for the queue's counts.
      waiting int NOT NULL,
      active int NOT NULL,
      retry int NOT NULL,
      recovery int NOT NULL,
      store int NOT NULL,
      input int NOT NULL,
      -- Since when the first of the waiting steps could have begun.
      waiting_since timestamptz
    ) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05)`
  // One insert a run, when it ends; never updated. Taken out again when a failed run is recovered.
  yield* sql`
    CREATE TABLE run_list_v1_ended (
      created_at timestamptz NOT NULL,
      started_at timestamptz,
      finished_at timestamptz NOT NULL,
      version int NOT NULL,
      id text PRIMARY KEY,
      workflow text NOT NULL,
      status text NOT NULL,
      partition_key text,
      run_key text,
      trigger json NOT NULL,
      failure json
    )`
  // For the list in its order, and for the list of one workflow. The id, which breaks ties, is left out: runs of one
  // millisecond are few, and sorting them costs less than 26 bytes an entry.
  yield* sql`CREATE INDEX run_list_v1_ended_created ON run_list_v1_ended (created_at)`
  yield* sql`CREATE INDEX run_list_v1_ended_workflow ON run_list_v1_ended (workflow, created_at)`
  // For "what failed": costs a run that ends well nothing.
  yield* sql`
    CREATE INDEX run_list_v1_ended_unsuccessful ON run_list_v1_ended (status, created_at) WHERE status <> 'succeeded'`
  // Of each definition: which step depends on which.
  yield* sql`
    CREATE TABLE run_list_v1_definitions (
      workflow text NOT NULL,
      version int NOT NULL,
      steps json NOT NULL,
      PRIMARY KEY (workflow, version)
    )`
  yield* sql`
    CREATE TABLE run_list_v1_counters (
      metric text NOT NULL,
      workflow text NOT NULL,
      outcome text NOT NULL,
      trigger text NOT NULL,
      value bigint NOT NULL,
      PRIMARY KEY (metric, workflow, outcome, trigger)
    ) WITH (fillfactor = 50)`
})
