import { Effect, Exit } from "effect"
import { SqlClient } from "effect/sql"
import { EventStore, type Position } from "../eventstore/EventStore.ts"
import * as Batch from "./Batch.ts"
import type { Member } from "./Member.ts"
import { LogEvent } from "./Projection.ts"

/**
 * Which event it is that a projection cannot go on at: the last one of the shortest beginning of the page that fails.
 * Nothing is written. Null when no beginning fails any more, or the database does not answer.
 */
export const locate = Effect.fnUntraced(function* (
  member: Member,
  limit: number
): Effect.fn.Return<Position | null, never, EventStore | SqlClient.SqlClient> {
  const store = yield* EventStore
  const sql = yield* SqlClient.SqlClient
  const [only, ...more] = member.projection.categories
  // The batch may have read its category alone, and so further.
  const filter = more.length === 0 ? { category: only! } : {}
  const page = yield* Effect.option(store.readAll({ after: member.position, limit, ...filter }))
  if (page._tag === "None") return null
  const events = page.value.events.map((recorded) => new LogEvent(recorded))

  /** Whether the first `count` events go well; they are rolled back. */
  const goesWell = Effect.fnUntraced(function* (count: number) {
    member.handler.forget()
    const tried = yield* Effect.exit(
      sql.withTransaction(
        Effect.andThen(Batch.feed(member, events.slice(0, count)), Effect.fail("rolled back" as const))
      )
    )
    member.handler.forget()
    return Exit.isFailure(tried) && tried.cause.reasons.some((r) => r._tag === "Fail" && r.error === "rolled back")
  })

  if (yield* goesWell(events.length)) return null
  let well = 0
  let wrong = events.length
  while (wrong - well > 1) {
    const middle = (well + wrong) >> 1
    if (yield* goesWell(middle)) well = middle
    else wrong = middle
  }
  return events[wrong - 1]?.recorded.position ?? null
})
