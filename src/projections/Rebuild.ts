import { Effect, Exit, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { standAside } from "../eventstore/SafeHorizon.ts"
import * as Checkpoints from "./Checkpoints.ts"
import type { Member } from "./Member.ts"

/** The rebuild was given up; what readers see is as it was. */
export class RebuildFailed extends Schema.TaggedError<RebuildFailed>()("RebuildFailed", {
  projection: Schema.String,
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

const prefix = "rebuild_"

/** The schema that a rebuild's tables lie in until they are switched. */
export const schemaOf = (name: string): string => `${prefix}${name}`

/** The key of the member that a rebuild is, and of its checkpoint. */
export const keyOf = (name: string): string => `${name}#rebuild`

/** How long the switch waits for readers of the old tables before it lets them pass and tries again. */
const switchLockMs = 100

/**
 * Adds a second member with fresh tables, waits until the loop has brought it level and switched, and takes it away
 * again if it is given up. Readers see the old tables until the switch.
 */
export const run = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  live: Member,
  make: Effect.Effect<Member>,
  loop: { readonly members: Map<string, Member>; readonly changed: Effect.Effect<unknown> }
): Effect.fn.Return<{ readonly events: number }, RebuildFailed> {
  const projection = live.key
  const failed = (message: string, cause?: unknown) =>
    new RebuildFailed({ projection, message, ...(cause === undefined ? {} : { cause }) })
  const broken = (error: SqlError) =>
    failed(`the fresh tables of ${projection} cannot be made: ${error.message}`, error)

  const prepare = Effect.gen(function* () {
    const member = yield* make
    // Pages of the log are read by index only if the planner knows how long the log has become; a database that was
    // filled or restored a moment ago has not been looked at yet.
    // Only a hint: whoever may not do it, has no such table, or finds it being vacuumed, rebuilds all the same.
    yield* Effect.ignore(sql`ANALYZE (SKIP_LOCKED) events`)
    yield* Effect.ignore(sql`ANALYZE (SKIP_LOCKED) streams`)
    yield* createTables(sql, member)
    yield* want(sql, projection)
    return member
  })
  const add = (member: Member) =>
    Effect.as(
      Effect.sync(() => loop.members.set(member.key, member)),
      member
    )
  const untilSwitched = Effect.fnUntraced(function* (member: Member) {
    while (loop.members.get(member.key) === member) {
      if (member.error !== null) return yield* failed(`the rebuild of ${projection} stopped: ${member.error}`)
      yield* loop.changed
    }
    return { events: member.eventsRead }
  })
  const takeAway = Effect.fnUntraced(
    function* (member: Member, exit: Exit.Exit<unknown, unknown>) {
      if (loop.members.get(member.key) !== member) return
      loop.members.delete(member.key)
      // Cut off with its process, it is still wanted: the next one begins it again.
      if (Exit.hasInterrupts(exit)) return
      yield* sql.withTransaction(Effect.when(discard(sql, member.schema!, member.key), isOwn(sql, member)))
    },
    (effect) => Effect.ignore(effect)
  )
  // It may wait for locks, so whoever stops the process cuts it off: what is left of it is no member yet.
  const member = yield* Effect.mapError(prepare, broken)
  return yield* Effect.acquireUseRelease(add(member), untilSwitched, takeAway)
})

/** Fresh tables, with everything that the live ones have but their rows, in the schema of the member. */
export const createTables = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, member: Member) {
  const schema = sql(member.schema!)
  yield* sql.withTransaction(
    Effect.gen(function* () {
      yield* sql`SELECT ${sql.literal(standAside)}`
      yield* sql`DROP SCHEMA IF EXISTS ${schema} CASCADE`
      yield* sql`CREATE SCHEMA ${schema}`
      for (const table of member.projection.tables) {
        yield* sql`CREATE TABLE ${schema}.${sql(table)} (LIKE ${sql(table)} INCLUDING ALL)`
        // LIKE leaves out the storage settings, such as the room for updates.
        const settings = yield* sql<{ setting: string }>`
          SELECT unnest(reloptions) AS setting FROM pg_class WHERE oid = ${table}::text::regclass`
        for (const { setting } of settings) {
          yield* sql`ALTER TABLE ${schema}.${sql(table)} SET (${sql.literal(setting)})`
        }
      }
      member.schemaId = yield* schemaIdOf(sql, member)
    })
  )
})

const schemaIdOf = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, { schema }: Member) {
  const [found] = yield* sql<{ id: string }>`SELECT oid::text AS id FROM pg_namespace WHERE nspname = ${schema}`
  return found?.id ?? null
})

/** What a rebuild ends with whose schema is another's now, or nobody's. */
export const takenAway = "its fresh tables were taken away: another process has begun it anew"

/** Whether the schema of the member is still the one that it made. */
export const isOwn = (sql: SqlClient.SqlClient, member: Member) =>
  Effect.map(schemaIdOf(sql, member), (id) => id !== null && id === member.schemaId)

/**
 * Puts the rebuilt tables into the place of the live ones, with the checkpoint, in one transaction; fails when another
 * process has begun it anew.
 */
export const switchOver = (sql: SqlClient.SqlClient, live: Member, rebuilt: Member) =>
  sql.withTransaction(
    Effect.gen(function* () {
      const [current] = yield* sql<{ name: string }>`SELECT current_schema()::text AS name, ${sql.literal(standAside)}`
      const lost = new RebuildFailed({ projection: live.key, message: takenAway })
      if (!(yield* isOwn(sql, rebuilt))) return yield* lost
      // A waiting DROP holds up every later reader: rather let them pass and try again.
      yield* sql`SELECT set_config('lock_timeout', ${`${switchLockMs}ms`}, true)`
      for (const table of rebuilt.projection.tables) {
        yield* sql`DROP TABLE ${sql(table)}`
        yield* sql`ALTER TABLE ${sql(rebuilt.schema!)}.${sql(table)} SET SCHEMA ${sql(current!.name)}`
      }
      // Again: whoever takes over between such a question and the tables would have its half-built ones switched.
      if (!(yield* isOwn(sql, rebuilt))) return yield* lost
      yield* sql`DROP SCHEMA ${sql(rebuilt.schema!)}`
      yield* sql`
        UPDATE projection_checkpoints SET position = ${rebuilt.position}, error = NULL, updated_at = now()
        WHERE name = ${live.key}`
      yield* Checkpoints.remove(sql, rebuilt.key)
    })
  )

/** Takes away the tables and the checkpoint of a copy that is not wanted any more. */
export const discard = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string, key: string) {
  yield* sql`DROP SCHEMA IF EXISTS ${sql(schema)} CASCADE`
  yield* Checkpoints.remove(sql, key)
})

/** Notes that a projection is to be rebuilt, from the first event on; until it is, each process that starts begins it. */
export const want = (sql: SqlClient.SqlClient, name: string) => sql`
  INSERT INTO projection_checkpoints (name) VALUES (${keyOf(name)})
  ON CONFLICT (name) DO UPDATE SET position = NULL, error = NULL, updated_at = now()`

/**
 * The projections of `known` whose rebuild the last process was asked for and did not end. What it had built is taken
 * away, and the wish stays; of a projection that there is no more, that too.
 */
export const leftovers = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, known: ReadonlySet<string>) {
  const left = yield* sql<{ name: string }>`
    SELECT name FROM projection_checkpoints WHERE name LIKE '%#rebuild' ORDER BY name`
  const names = left.map(({ name }) => name.replace(/#rebuild$/, ""))
  for (const name of names) {
    yield* discard(sql, schemaOf(name), keyOf(name))
    if (known.has(name)) yield* want(sql, name)
  }
  return names.filter((name) => known.has(name))
})
