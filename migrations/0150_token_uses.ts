import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** When each API token was last used, written now and then: an event a request would be a log of requests. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE token_uses (
      token_id text COLLATE "C" PRIMARY KEY,
      used_at timestamptz NOT NULL
    )`
})
