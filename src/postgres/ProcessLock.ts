import { PgClient, PgConnection } from "@effect/sql-pg"
import { Clock, Context, Deferred, Effect, Exit, Layer, Queue, Schema, Scope } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { hostname } from "node:os"
import * as SqlFailure from "./SqlFailure.ts"

/** Another process serves this database: who, from where and since when. */
export class AlreadyServed extends Schema.TaggedError<AlreadyServed>()("AlreadyServed", {
  /** Process id on its own host; null when the session does not say. */
  pid: Schema.NullOr(Schema.Int),
  host: Schema.NullOr(Schema.String),
  /** ISO time at which its session began. */
  since: Schema.String
}) {
  override get message(): string {
    const who = this.pid === null ? "another session" : `process ${this.pid} on ${this.host}`
    return `this database is already served by ${who} since ${this.since}`
  }
}

/** The right to be the only process on a database. */
export class ProcessLock extends Context.Service<
  ProcessLock,
  {
    /** Ends when another process has got the lock while the database was out of reach: this one has to stop. */
    readonly lost: Effect.Effect<AlreadyServed>
  }
>()("kintsugi/postgres/ProcessLock") {}

/** Who serves the database now, as whoever wants to would be told; null: nobody. */
export const holder: Effect.Effect<AlreadyServed | null, SqlError, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [owner] = (yield* sql.unsafe(whoHolds).values) as unknown as ReadonlyArray<Owner>
  return owner === undefined ? null : served(owner)
})

/** `pg_advisory_lock` keys of this project begin with "kint"; 3 is for the one process that serves. */
const lock = "1802069876, 3"
/** How long the session of a killed owner may linger. */
const patienceMs = 2_000
const retryMs = 100
const reconnectMs = 500
const applicationNameMax = 63
/** Nobody sends on it: to listen is how the end of the session is noticed at once. */
const channel = "kintsugi_process_lock"

/**
 * Takes the lock or fails with who has it. It belongs to a session of its own: when that is cut, the lock is taken
 * again as soon as the database is back, unless somebody else was faster.
 */
export const layer: Layer.Layer<ProcessLock, AlreadyServed | SqlError, PgClient.PgClient> = Layer.effect(
  ProcessLock,
  Effect.gen(function* () {
    const { config } = yield* PgClient.PgClient
    const name = `kintsugi ${process.pid}@${hostname()}`.slice(0, applicationNameMax)
    const session = openSession({ ...config, applicationName: name, keepAlive: "5 seconds" }, name)
    const lost = Deferred.makeUnsafe<AlreadyServed>()

    let current: Session = yield* session
    yield* Effect.addFinalizer(() => Effect.suspend(() => current.close))
    const keep = Effect.gen(function* () {
      while (true) {
        yield* current.ended
        yield* current.close
        yield* Effect.logWarning("the session that holds the process lock was cut; the lock is taken again")
        current = yield* retake(session)
      }
    })
    yield* keep.pipe(
      Effect.catchTag("AlreadyServed", (other) => Deferred.succeed(lost, other)),
      Effect.forkScoped
    )
    return ProcessLock.of({ lost: Deferred.await(lost) })
  })
)

interface Session {
  /** Ends when the connection does. */
  readonly ended: Effect.Effect<void>
  readonly close: Effect.Effect<void>
}

const openSession = Effect.fnUntraced(function* (
  config: PgConnection.Config,
  name: string
): Effect.fn.Return<Session, AlreadyServed | SqlError> {
  const scope = yield* Scope.make()
  const close = Scope.close(scope, Exit.void)
  const open = Effect.gen(function* () {
    const connection = yield* PgConnection.make(config)
    yield* acquire(connection, name)
    const notifications = yield* connection.listen(channel)
    const ended = Queue.take(notifications).pipe(Effect.forever, Effect.ignore, Effect.asVoid)
    return { ended, close }
  })
  return yield* open.pipe(
    Scope.provide(scope),
    Effect.onError(() => close)
  )
})

const acquire = Effect.fnUntraced(function* (
  connection: PgConnection.PgConnection,
  name: string
): Effect.fn.Return<void, AlreadyServed | SqlError> {
  const began = yield* Clock.currentTimeMillis
  while (true) {
    const [row] = yield* connection.queryValues(`SELECT pg_try_advisory_lock(${lock})`)
    if (row?.[0] === true) return
    const [owner] = (yield* connection.queryValues(whoHolds)) as unknown as ReadonlyArray<Owner>
    const isOwn = owner?.[0] === name
    const waitedMs = (yield* Clock.currentTimeMillis) - began
    // An earlier session of this process ends by itself, however long the server takes to notice.
    if (owner !== undefined && !isOwn && waitedMs > patienceMs) return yield* served(owner)
    yield* Effect.sleep(retryMs)
  }
})

const retake = (session: Effect.Effect<Session, AlreadyServed | SqlError>): Effect.Effect<Session, AlreadyServed> =>
  Effect.catchTag(session, "SqlError", (error) =>
    Effect.logDebug(`the process lock waits for the database: ${SqlFailure.messageOf(error)}`).pipe(
      Effect.andThen(Effect.sleep(reconnectMs)),
      Effect.andThen(Effect.suspend(() => retake(session)))
    )
  )

type Owner = readonly [applicationName: string, since: string]

const whoHolds = `SELECT a.application_name, to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  FROM pg_locks l JOIN pg_stat_activity a USING (pid)
  WHERE l.locktype = 'advisory' AND l.granted AND (l.classid, l.objid, l.objsubid) = (${lock}, 2)
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())`

const served = ([applicationName, since]: Owner): AlreadyServed => {
  const said = /^kintsugi (\d+)@(.+)$/.exec(applicationName)
  return new AlreadyServed({
    pid: said === null ? null : Number(said[1]),
    host: said === null ? null : said[2]!,
    since
  })
}
