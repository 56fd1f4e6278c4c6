import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { Fragment } from "effect/sql/Statement"
import { EventStore, type LogUnavailable, type Position } from "../eventstore/EventStore.ts"
import * as LogPosition from "../eventstore/LogPosition.ts"
import { available } from "../projections/Available.ts"
import { type InvalidCursor, limitOf, markOf, type Page, type PageRequest, pageOf } from "../projections/Page.ts"
import type { Message } from "./Channel.ts"
import * as Outbox from "./Outbox.ts"

export interface DeliveryFilter {
  readonly status?: Outbox.Status | undefined
  readonly channel?: string | undefined
}

/** One message of one channel: on its way, sent, in a digest, or a dead letter. */
export interface DeliveryItem {
  readonly id: string
  readonly channel: string
  readonly status: Outbox.Status
  readonly attempts: number
  /** What the receiver said last; null: nothing went wrong. */
  readonly error: string | null
  readonly dueAt: string | null
  readonly createdAt: string
  readonly finishedAt: string | null
  readonly notification: Message
}

interface Row {
  readonly id: string
  readonly channel: string
  readonly status: Outbox.Status
  readonly attempts: number
  readonly error: string | null
  readonly due: Date
  readonly created: Date
  readonly at: number
  readonly finished: Date | null
  readonly notification: Message
}

/** What went out to the channels of notifications, and what could not. */
export class Deliveries extends Context.Service<
  Deliveries,
  {
    /** Newest first. */
    readonly list: (
      filter: DeliveryFilter,
      request: PageRequest
    ) => Effect.Effect<Page<DeliveryItem>, InvalidCursor | LogUnavailable>
    readonly read: (id: string) => Effect.Effect<DeliveryItem | null, LogUnavailable>
    /** Up to where everything of the log that is to go out has been queued; looked for no further than `wanted`. */
    readonly stands: (wanted: Position) => Effect.Effect<Position, LogUnavailable>
  }
>()("kintsugi/notify/Deliveries") {
  /** Without channels (`isQueuing` false) nothing is queued, and the list is as far as the log. */
  static readonly layer = (isQueuing: boolean): Layer.Layer<Deliveries, never, EventStore | SqlClient.SqlClient> =>
    Layer.effect(
      Deliveries,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const log = yield* EventStore
        const select = (conditions: ReadonlyArray<Fragment>, limit: number) =>
          available(sql<Row>`
          SELECT id, channel, status, attempts, error, due_at AS due, created_at AS created,
            trunc(extract(epoch FROM created_at) * 1000)::float8 AS at, finished_at AS finished, notification
          FROM notification_deliveries WHERE ${sql.and([sql`true`, ...conditions])}
          ORDER BY created_at DESC, id DESC LIMIT ${limit}`)
        const stands = Effect.fnUntraced(function* (wanted: Position) {
          const [row] = yield* available(sql<{ readonly position: Position | null }>`
          SELECT position FROM subscriptions WHERE name = ${Outbox.reader.name}`)
          let place = row?.position ?? LogPosition.start
          // What is stored moves only now and then where nothing is to go out.
          while (place < wanted) {
            const { events, next } = yield* log.readAll({ after: place, limit: 1, types: Outbox.reader.types })
            const isQueued = events.every(({ position }) => position > wanted)
            if (!isQueued || next === null || next <= place) break
            place = next
          }
          return place
        })
        return Deliveries.of({
          stands: isQueuing ? stands : () => log.head,
          list: Effect.fnUntraced(function* ({ channel, status }, request) {
            const mark = yield* markOf(request)
            const limit = limitOf(request)
            const conditions = [
              channel === undefined ? null : sql`channel = ${channel}`,
              status === undefined ? null : sql`status = ${status}`,
              mark === null ? null : sql`(created_at, id) < (to_timestamp(${mark.at}::float8 / 1000), ${mark.id})`
            ].filter((condition) => condition !== null)
            return pageOf(yield* select(conditions, limit + 1), limit, shown)
          }),
          read: (id) => Effect.map(select([sql`id = ${id}`], 1), ([row]) => (row === undefined ? null : shown(row)))
        })
      })
    )
}

const shown = ({ at: _at, created, due, finished, ...row }: Row): DeliveryItem => ({
  ...row,
  dueAt: row.status === "pending" ? due.toISOString() : null,
  createdAt: created.toISOString(),
  finishedAt: finished?.toISOString() ?? null
})
