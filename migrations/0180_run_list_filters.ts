import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Filters of the run list that only some runs match: without an index of its own each would look through every run that
 * has ended, a second and more for a million.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // In the words of the query: partition keys are compared without case. Costs a run without a partition nothing; the
  // index that there is begins with the workflow.
  yield* sql`
    CREATE INDEX run_list_v1_ended_any_partition ON run_list_v1_ended (lower(partition_key COLLATE "C"), created_at)
    WHERE partition_key IS NOT NULL`
  yield* sql`CREATE INDEX run_list_v1_ended_trigger ON run_list_v1_ended ((trigger ->> 'type'), created_at)`
  // "What failed" of one workflow; the index by status alone would look through the failures of all.
  yield* sql`
    CREATE INDEX run_list_v1_ended_unsuccessful_workflow ON run_list_v1_ended (workflow, status, created_at)
    WHERE status <> 'succeeded'`
})
