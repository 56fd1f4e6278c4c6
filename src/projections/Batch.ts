import { Cause, Effect, Exit, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { EventStore, type LogUnavailable, type Position } from "../eventstore/EventStore.ts"
import { standAside } from "../eventstore/SafeHorizon.ts"
import { sqlStateOf } from "../postgres/SqlFailure.ts"
import * as Checkpoints from "./Checkpoints.ts"
import { type Group, type Member, order } from "./Member.ts"
import { LogEvent, type UndecodableEvent } from "./Projection.ts"
import * as Rebuild from "./Rebuild.ts"

/** A projection cannot go on at this place: its data is the reason, and another try cannot help. */
export class Poisoned extends Schema.TaggedError<Poisoned>()("Poisoned", {
  key: Schema.String,
  message: Schema.String,
  cause: Schema.Defect()
}) {}

export interface Advanced {
  /** Events read, of all categories. */
  readonly read: number
  /** Whether there was nothing more to read. */
  readonly isLevel: boolean
}

/**
 * Reads one page for a group, folds it into every member, and commits all of it with the checkpoints in one
 * transaction. `limit`: events a page. `bound`: where a group that is behind stops, so that it meets the others.
 */
export const advance = Effect.fnUntraced(function* (
  group: Group,
  limit: number,
  bound: Position | null
): Effect.fn.Return<
  Advanced,
  Poisoned | SqlError | LogUnavailable | Checkpoints.CheckpointMoved,
  EventStore | SqlClient.SqlClient
> {
  const store = yield* EventStore
  const sql = yield* SqlClient.SqlClient
  const { members, position } = group
  // A rebuild can be ahead of a projection that has only just begun: it waits there.
  if (bound !== null && order(position) >= bound) return { read: 0, isLevel: true }
  // Alone and behind, a projection of one category need not read the others.
  const [only, ...more] = members[0].projection.categories
  const filter = bound !== null && members.length === 1 && more.length === 0 ? { category: only! } : {}
  const page = yield* store.readAll({ after: position, limit, ...filter })
  const inside = bound === null ? page.events : page.events.filter((event) => event.position <= bound)
  const isShort = page.events.length < limit
  // The bound is where something stands in the log, so a page that has seen it ends there or beyond.
  const reached = bound !== null && order(page.next) >= bound
  const next = reached ? bound : page.next
  const read = inside.length
  if (next === null || next === position) return { read, isLevel: isShort || reached }

  const events = inside.map((recorded) => new LogEvent(recorded))
  yield* sql.withTransaction(feedAll(sql, group, events, next))
  for (const member of members) member.position = next
  return { read, isLevel: isShort || reached }
})

/** All of a group, and where they stand then, inside the caller's transaction. */
const feedAll = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  { members, position }: Group,
  events: ReadonlyArray<LogEvent>,
  next: Position
) {
  yield* sql`SELECT ${sql.literal(standAside)}`
  for (const member of members) yield* feed(member, events)
  yield* Checkpoints.move(
    sql,
    members.map(({ key }) => key),
    position,
    next
  )
})

/** Gives a member what concerns it of a page, without what it was told to leave out, inside the caller's transaction. */
export const feed = Effect.fnUntraced(function* (
  member: Member,
  events: ReadonlyArray<LogEvent>
): Effect.fn.Return<void, Poisoned | SqlError, SqlClient.SqlClient> {
  const { handler, key, projection, schema } = member
  const relevant = events.filter(
    ({ category, recorded }) => projection.categories.includes(category) && !member.skips.has(recorded.position)
  )
  if (relevant.length === 0) return
  if (schema !== null) {
    const sql = yield* SqlClient.SqlClient
    yield* sql`SELECT set_config('search_path', quote_ident(${schema}) || ', ' || current_setting('search_path'), true)`
  }
  const exit = yield* Effect.exit(handler.handle(relevant))
  if (Exit.isSuccess(exit)) {
    // Without that schema the path leads to the live tables. Only now: what was written there keeps it from being dropped.
    if (schema === null || (yield* Rebuild.isOwn(yield* SqlClient.SqlClient, member))) return
    return yield* new Poisoned({ key, message: Rebuild.takenAway, cause: Rebuild.takenAway })
  }
  const { cause } = exit
  if (Cause.hasInterruptsOnly(cause)) return yield* Effect.failCause(cause as Cause.Cause<never>)
  const error = Cause.squash(cause) as SqlError | UndecodableEvent | Error
  if ("_tag" in error && error._tag === "SqlError" && !isDataError(error)) return yield* error
  return yield* new Poisoned({ key, message: describe(error), cause: error })
})

/**
 * SQLSTATE classes that come from what is written, not from the state of the server: cardinality, data, constraint,
 * syntax or missing table, a limit of the server.
 */
const dataErrors = new Set(["21", "22", "23", "42", "54"])

const isDataError = (error: SqlError): boolean => dataErrors.has(sqlStateOf(error)?.slice(0, 2) ?? "")

const describe = (error: SqlError | UndecodableEvent | Error): string => {
  if (!("_tag" in error) || error._tag !== "SqlError") return error.message
  const cause: unknown = error.reason.cause
  const detail = cause instanceof Error ? cause.message : String(cause)
  return `${error.message}: ${detail} (SQLSTATE ${sqlStateOf(error)})`
}
