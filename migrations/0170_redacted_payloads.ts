import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Events whose payload is no longer the one that the chain covers keep the hash of that one (ADR 0010). */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Without a default: no row is written anew.
  yield* sql`ALTER TABLE events ADD COLUMN payload_sha256 bytea`
})
