import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * What is paused, for lists and the queue's health. No log of before has an event that pauses anything, so the defaults
 * are what a rebuild would write too: the read models keep their versions.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    ALTER TABLE run_list_v1_active
      ADD COLUMN paused boolean NOT NULL DEFAULT false,
      -- Steps that are ready and held back because the run is paused.
      ADD COLUMN held int NOT NULL DEFAULT 0`
  // Workflows of which no run begins a step.
  yield* sql`CREATE TABLE run_list_v1_paused (workflow text PRIMARY KEY)`
  yield* sql`ALTER TABLE recovery_list_v1 ADD COLUMN paused boolean NOT NULL DEFAULT false`
})
