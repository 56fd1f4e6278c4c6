import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Where each stream ended when the root was signed last: the leaves of that root. With them a root that no longer fits
 * tells which stream was changed; the log itself decides whether one fits.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Rows of busy streams change with every root: room in the page keeps the updates off the index.
  yield* sql`
    CREATE TABLE signed_heads (
      stream_name text COLLATE "C" PRIMARY KEY,
      stream_version integer NOT NULL,
      hash bytea NOT NULL,
      -- Of the event at this version.
      position text COLLATE "C" NOT NULL
    ) WITH (fillfactor = 70)`
})
