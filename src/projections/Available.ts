import { Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { LogUnavailable } from "../eventstore/EventStore.ts"

/** A read model's query: fails as a read of the log does when the database is away. */
export const available = <A, R>(query: Effect.Effect<A, SqlError, R>): Effect.Effect<A, LogUnavailable, R> =>
  Effect.mapError(
    query,
    (cause) => new LogUnavailable({ message: `a read model cannot be read: ${cause.message}`, cause })
  )
