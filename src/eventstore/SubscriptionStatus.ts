import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import type { Position } from "./EventStore.ts"
import * as LogPosition from "./LogPosition.ts"

export interface SubscriptionStatus {
  readonly name: string
  readonly position: Position | null
  /** Events of the log behind it, about: numbers that were rolled back or not yet used count too. */
  readonly lagEvents: number
  /** Since it last said that it lives. */
  readonly heartbeatAgeMs: number
  /** Why it has stopped; null: it has not. */
  readonly error: string | null
}

/** How every subscription that ever ran stands, by name. */
export const all: Effect.Effect<ReadonlyArray<SubscriptionStatus>, SqlError, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<Omit<SubscriptionStatus, "lagEvents"> & { readonly newest: bigint | null }>`
      SELECT s.name, s.position, s.error,
        (extract(epoch FROM clock_timestamp() - s.heartbeat_at) * 1000)::float8 AS "heartbeatAgeMs",
        (SELECT e.global_position FROM events e
          ORDER BY e.epoch DESC, e.transaction_id DESC, e.global_position DESC LIMIT 1) AS newest
      FROM subscriptions s ORDER BY s.name`
    return rows.map(({ newest, ...row }) => {
      const behind = (newest ?? 0n) - BigInt(LogPosition.parts(row.position).globalPosition)
      return { ...row, lagEvents: behind > 0n ? Number(behind) : 0 }
    })
  }
)
