import { Clock, Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import type { EventStore, LogUnavailable, Position } from "../eventstore/EventStore.ts"
import * as Batch from "./Batch.ts"
import * as Checkpoints from "./Checkpoints.ts"
import type { Member } from "./Member.ts"
import type { Projection } from "./Projection.ts"
import * as Rebuild from "./Rebuild.ts"
import * as Skips from "./Skips.ts"

/** How a read model compares with the log. */
export interface Compared {
  readonly name: string
  /** Up to here both were compared; null: it has read nothing yet. */
  readonly position: Position | null
  /** `unsettled`: a server moved it on faster than it could be compared. */
  readonly status: "equal" | "different" | "unsettled" | "unreadable"
  /** Tables whose rows differ, or why the log cannot be read for it. */
  readonly problem: string | null
}

const pageEvents = 2_000
/** A server moves on while the copy is made; each time less is left. */
const attemptsMax = 20

/** Builds the read model anew beside the one that is read, up to where that one stands, and compares every row. */
export const compare = Effect.fn("Comparison.compare")(function* (
  projection: Projection
): Effect.fn.Return<
  Compared,
  SqlError | LogUnavailable | Checkpoints.CheckpointMoved,
  EventStore | SqlClient.SqlClient
> {
  const sql = yield* SqlClient.SqlClient
  const { name } = projection
  const heartbeatAt = yield* Clock.currentTimeMillis
  const member: Member = {
    ...{ key: `${name}#verify`, projection, schema: `verify_${name}`, handler: projection.make(), heartbeatAt },
    ...{ schemaId: null, position: null, error: null, errorPosition: null, eventsRead: 0, skips: yield* Skips.of(name) }
  }
  const live = Effect.map(Checkpoints.load(sql, [name]), (found) => found.get(name)?.position ?? null)
  const copy = Effect.gen(function* () {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const bound = yield* live
      if (bound !== null) yield* advanceTo(member, bound)
      const different = yield* differing(sql, member)
      if (different === null) continue
      const status = different.length === 0 ? ("equal" as const) : ("different" as const)
      return { name, position: bound, status, problem: different.length === 0 ? null : different.join(", ") }
    }
    return { name, position: member.position, status: "unsettled" as const, problem: null }
  }).pipe(
    Effect.catchTag("Poisoned", ({ message }) =>
      Effect.succeed({ name, position: member.position, status: "unreadable" as const, problem: message })
    )
  )
  return yield* Effect.acquireUseRelease(
    Effect.andThen(Rebuild.createTables(sql, member), Checkpoints.register(sql, [member.key])),
    () => copy,
    () => Effect.ignore(Rebuild.discard(sql, member.schema!, member.key))
  )
})

const advanceTo = Effect.fnUntraced(function* (member: Member, bound: Position) {
  while (member.position === null || member.position < bound) {
    const { isLevel } = yield* Batch.advance({ members: [member], position: member.position }, pageEvents, bound)
    if (isLevel) return
  }
})

/** Tables with other rows than the copy's, as of one moment; null when the live ones have moved on. */
const differing = (sql: SqlClient.SqlClient, { position, projection, schema }: Member) =>
  sql.withTransaction(
    Effect.gen(function* () {
      yield* sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY`
      const stored = yield* Checkpoints.load(sql, [projection.name])
      if ((stored.get(projection.name)?.position ?? null) !== position) return null
      const different: Array<string> = []
      for (const table of projection.tables) {
        const [live] = yield* sql<Sum>`SELECT ${sum(sql)} FROM ${sql(table)} AS t`
        const [copied] = yield* sql<Sum>`SELECT ${sum(sql)} FROM ${sql(schema!)}.${sql(table)} AS t`
        if (live!.count !== copied!.count || live!.sum !== copied!.sum) different.push(table)
      }
      return different
    })
  )

interface Sum {
  readonly count: number
  readonly sum: string | null
}

/** The same for the same rows, in whatever order they lie. */
const sum = (sql: SqlClient.SqlClient) =>
  sql.literal(`count(*)::float8 AS count, sum(hashtextextended(t::text, 0)::numeric)::text AS sum`)
