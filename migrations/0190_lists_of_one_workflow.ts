import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Lists of one workflow whose rows are most of what there is, as after a bad night: the planner takes workflow and status
 * for independent, so without the whole order in the index it would rather read all of them and sort.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP INDEX run_list_v1_ended_unsuccessful_workflow`
  yield* sql`
    CREATE INDEX run_list_v1_ended_unsuccessful_workflow ON run_list_v1_ended (workflow, status, created_at, id)
    WHERE status <> 'succeeded'`
  yield* sql`CREATE INDEX attention_v1_workflow ON attention_v1 (workflow, since, id) WHERE open`
})
