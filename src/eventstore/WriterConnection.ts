import { PgConnection } from "@effect/sql-pg"
import { Clock, Effect, Exit, Schedule, Scope } from "effect"
import type { SqlError } from "effect/sql/SqlError"

/** How long the server may take to answer before the connection is given up. */
const answerMsMax = 15_000
const watchEveryMs = 1_000

/**
 * A connection of the writer's own: opened when needed, given up when it broke or when the server stays silent. Giving
 * up ends the statement in flight at once, where an interruption would first wait for the server.
 */
export interface WriterConnection {
  /** Runs one statement; opens the connection first if there is none. */
  readonly query: (
    sql: string,
    params: ReadonlyArray<unknown>
  ) => Effect.Effect<ReadonlyArray<ReadonlyArray<unknown>>, SqlError>
  /** The next `query` opens a new connection. */
  readonly giveUp: Effect.Effect<void>
}

/** `onOpen` runs on each new connection before anything else. */
export const make = Effect.fnUntraced(function* (
  config: PgConnection.Config,
  onOpen: (connection: PgConnection.PgConnection) => Effect.Effect<void, SqlError>
): Effect.fn.Return<WriterConnection, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  let open: { readonly connection: PgConnection.PgConnection; readonly scope: Scope.Closeable } | null = null
  let askedAtMs: number | null = null

  const giveUp = Effect.suspend(() => {
    const closing = open
    open = null
    return closing === null ? Effect.void : Scope.close(closing.scope, Exit.void)
  })

  const connect = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const opened = PgConnection.make(config).pipe(Effect.tap(onOpen), Scope.provide(scope))
    const connection = yield* Effect.onError(opened, () => Scope.close(scope, Exit.void))
    open = { connection, scope }
    return connection
  })

  const query = (sql: string, params: ReadonlyArray<unknown>) => {
    const ask = (connection: PgConnection.PgConnection) => {
      askedAtMs = clock.currentTimeMillisUnsafe()
      return connection.queryValues(sql, params)
    }
    const answered = open === null ? Effect.flatMap(connect, ask) : ask(open.connection)
    return Effect.ensuring(answered, answeredNow)
  }
  const answeredNow = Effect.sync(() => {
    askedAtMs = null
  })

  const watch = Effect.suspend(() =>
    askedAtMs !== null && clock.currentTimeMillisUnsafe() - askedAtMs > answerMsMax ? giveUp : Effect.void
  )
  yield* watch.pipe(Effect.repeat(Schedule.spaced(watchEveryMs)), Effect.forkScoped)
  yield* Effect.addFinalizer(() => giveUp)
  return { query, giveUp }
})
