import { Clock, DateTime, Duration, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { LogUnavailable, Position } from "../eventstore/EventStore.ts"
import { available } from "./Available.ts"
import type { ProjectionRunner } from "./ProjectionRunner.ts"
import * as QueueHealth from "./QueueHealth.ts"

/** The history does not reach back to that time or position. */
export class BeforeHistory extends Schema.TaggedError<BeforeHistory>()("BeforeHistory", {
  /** ISO time of the oldest entry; null: there is none yet. */
  oldest: Schema.NullOr(Schema.String)
}) {}

const minuteMs = 60_000
/** How long entries are kept: one a minute, so about 10,000 of them. */
export const keptMs = 7 * 24 * 60 * minuteMs
/** Workflows that an entry names: those with the most steps that wait, execute or are delayed. */
const workflowsMax = 100

/** Writes an entry at the start and then once a minute, for as long as the layer lives; takes the old ones away. */
export const layer = (
  publishing: QueueHealth.Publishing
): Layer.Layer<never, never, SqlClient.SqlClient | ProjectionRunner> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const once = record(publishing).pipe(
        Effect.catchCause((cause) => Effect.logWarning("the health of the queues could not be recorded", cause))
      )
      const nextMinute = Effect.map(Clock.currentTimeMillis, (now) => Duration.millis(minuteMs - (now % minuteMs)))
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.andThen(
            once,
            Effect.flatMap(nextMinute, (wait) => Effect.sleep(wait))
          )
        )
      )
    })
  )

/** One entry, for the minute that it is now. Another process may have written it already. */
export const record = Effect.fn("QueueHealthHistory.record")(function* (publishing: QueueHealth.Publishing) {
  const sql = yield* SqlClient.SqlClient
  const health = yield* QueueHealth.read(publishing)
  const now = yield* Clock.currentTimeMillis
  const minute = DateTime.toDateUtc(DateTime.makeUnsafe(now - (now % minuteMs)))
  const oldest = DateTime.toDateUtc(DateTime.makeUnsafe(now - keptMs))
  const text = JSON.stringify({ ...health, byWorkflow: busiest(health) })
  yield* sql`
    INSERT INTO queue_health_history (minute, position, health) VALUES (${minute}, ${health.position}, ${text}::text::json)
    ON CONFLICT (minute) DO NOTHING`
  yield* sql`DELETE FROM queue_health_history WHERE minute < ${oldest}`
})

const busiest = ({ byWorkflow }: QueueHealth.QueueHealth) => {
  const load = ({ counts }: QueueHealth.QueueHealth["byWorkflow"][number]) =>
    counts.waiting + counts.active + counts.delayed
  return [...byWorkflow].sort((left, right) => load(right) - load(left)).slice(0, workflowsMax)
}

/** The newest entry at or before a time (epoch ms), or whose counts go no further than a position. */
export const at = Effect.fn("QueueHealthHistory.at")(function* (
  place: Position | number
): Effect.fn.Return<QueueHealth.QueueHealth, BeforeHistory | LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const [found] = yield* available(
    typeof place === "number"
      ? sql<Entry>`
          SELECT health::text AS health FROM queue_health_history
          WHERE (health ->> 'generatedAt')::timestamptz <= ${DateTime.toDateUtc(DateTime.makeUnsafe(place))}
            AND minute <= ${DateTime.toDateUtc(DateTime.makeUnsafe(place))}
          ORDER BY minute DESC LIMIT 1`
      : sql<Entry>`
          SELECT health::text AS health FROM queue_health_history WHERE position <= ${place}
          ORDER BY position DESC, minute DESC LIMIT 1`
  )
  if (found !== undefined) return JSON.parse(found.health) as QueueHealth.QueueHealth
  const [first] = yield* available(
    sql<Entry>`SELECT health ->> 'generatedAt' AS health FROM queue_health_history ORDER BY minute LIMIT 1`
  )
  return yield* new BeforeHistory({ oldest: first?.health ?? null })
})

interface Entry {
  readonly health: string
}
