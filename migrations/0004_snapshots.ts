import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Snapshots of long streams (docs/adr/0006-snapshots.md). Every row may be deleted at any time. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Found by name before the stream is read. No reference to streams: a worthless row harms nobody.
  yield* sql`
    CREATE TABLE snapshots (
      stream_name text COLLATE "C" PRIMARY KEY,
      stream_version integer NOT NULL,
      -- The chain's hash after the event at that version.
      hash bytea NOT NULL,
      -- Names the shape of the state.
      state_hash text NOT NULL,
      -- Not json: nobody looks into it, and a check on each write would cost.
      state text NOT NULL
    )`
})
