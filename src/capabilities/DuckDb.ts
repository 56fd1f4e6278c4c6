import type { DuckDBConnection } from "@duckdb/node-api"
import { Effect } from "effect"

/** What one piece of work may use of the machine. */
export interface DuckDbLimits {
  /** Megabytes of memory; beyond it DuckDB spills into `spillDir`, and then fails. */
  readonly memoryMb: number
  /** Gigabytes of spilled data. */
  readonly spillGb: number
  readonly threads: number
  readonly spillDir: string
}

export type DuckDbModule = typeof import("@duckdb/node-api")

/** Loaded at the first use: the native library takes 70 MB, and most processes at start need none of it. */
export const load = (): Promise<DuckDbModule> => import("@duckdb/node-api")

/**
 * Runs `work` on an engine of its own, so that nothing one query sets or makes is seen by another. Interruption
 * interrupts the running statement, and comes back when the engine is closed. Errors come as DuckDB throws them.
 */
export const withConnection = <A>(
  limits: DuckDbLimits,
  work: (connection: DuckDBConnection, duckdb: DuckDbModule, signal: AbortSignal) => Promise<A>
): Effect.Effect<A, unknown> =>
  Effect.callback((resume) => {
    const controller = new AbortController()
    const settled = open(limits, work, controller.signal).then(
      (value) => resume(Effect.succeed(value)),
      (cause: unknown) => resume(Effect.fail(cause))
    )
    return Effect.promise(() => {
      controller.abort()
      return settled
    })
  })

const open = async <A>(
  limits: DuckDbLimits,
  work: (connection: DuckDBConnection, duckdb: DuckDbModule, signal: AbortSignal) => Promise<A>,
  signal: AbortSignal
): Promise<A> => {
  const duckdb = await load()
  const instance = await duckdb.DuckDBInstance.create(":memory:", {
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    memory_limit: `${limits.memoryMb}MB`,
    temp_directory: limits.spillDir,
    max_temp_directory_size: `${limits.spillGb}GB`,
    threads: String(limits.threads)
  })
  try {
    const connection = await instance.connect()
    const interrupt = (): void => connection.interrupt()
    signal.addEventListener("abort", interrupt)
    try {
      signal.throwIfAborted()
      return await work(connection, duckdb, signal)
    } finally {
      signal.removeEventListener("abort", interrupt)
      connection.closeSync()
    }
  } finally {
    instance.closeSync()
  }
}

/** A name in SQL, whatever characters it has. */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** A text in SQL. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`
