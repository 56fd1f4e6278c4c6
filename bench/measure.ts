import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** The value below which `fraction` of the sorted numbers lie. */
export const percentile = (numbers: ReadonlyArray<number>, fraction: number): number => {
  const sorted = [...numbers].sort((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN
}

/** What the database has done so far: counts that do not wobble with the machine. */
export interface Counters {
  readonly commits: number
  readonly walBytes: number
  readonly fullPageImages: number
}

export const counters = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Counts of other sessions reach the view when those are idle for a moment.
  yield* sql`SELECT pg_stat_force_next_flush()`.pipe(Effect.ignore)
  yield* Effect.sleep("1200 millis")
  const [row] = yield* sql<{ readonly commits: number; readonly wal: number; readonly fpi: number }>`
    SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())::float8 AS commits,
      w.wal_bytes::float8 AS wal, w.wal_fpi::float8 AS fpi FROM pg_stat_wal w`
  return { commits: row!.commits, walBytes: row!.wal, fullPageImages: row!.fpi } satisfies Counters
})

/** Node's own CPU of this process, microseconds. */
export const cpuUs = (): number => {
  const { system, user } = process.cpuUsage()
  return system + user
}
