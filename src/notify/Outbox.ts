import { Effect, Random } from "effect"
import { SqlClient } from "effect/sql"
import * as Notification from "../domain/Notification.ts"
import type { Channel, Message } from "./Channel.ts"

/** The reader of the log that queues what goes out. */
export const reader = {
  name: "notifications_out_v1",
  types: [...Notification.types, "NotificationDeliveryRetried"]
}

export type Status = "pending" | "delivered" | "digested" | "dead"

/** One message on its way out by one channel; times are epoch ms. */
export interface Delivery {
  readonly id: string
  readonly channel: string
  readonly notification: Message
  readonly isDigest: boolean
  readonly attempts: number
  readonly firstTriedAt: number | null
}

export interface Queued {
  readonly id: string
  readonly channel: string
  readonly place: string
  readonly runId: string
  readonly notification: Message
  /** Not before, epoch ms. */
  readonly dueAt: number
}

/** Notifications that a digest lists; it counts all. */
const digestListedMax = 200

const time = (sql: SqlClient.SqlClient, epochMs: number) => sql`to_timestamp(${epochMs}::float8 / 1000)`

/** The table of what goes out. */
export const make = Effect.map(SqlClient.SqlClient, (sql) => ({
  /** Queues it; the same one a second time changes nothing. */
  put: ({ channel, dueAt, id, notification, place, runId }: Queued, now: number) => sql`
    INSERT INTO notification_deliveries
      (id, channel, notification_id, place, run_id, is_digest, status, notification, attempts, due_at, created_at)
    VALUES (${id}, ${channel}, ${notification.id}, ${place}, ${runId}, false, 'pending',
      ${JSON.stringify(notification)}::json, 0, ${time(sql, dueAt)}, ${time(sql, now)})
    ON CONFLICT (id) DO NOTHING`,

  /** The next that may go: due, and nothing of its run or no digest is before it. */
  next: (channel: string, now: number) =>
    Effect.map(
      sql<Delivery>`
        SELECT d.id, d.channel, d.notification, d.is_digest AS "isDigest", d.attempts,
          (extract(epoch FROM d.first_tried_at) * 1000)::float8 AS "firstTriedAt"
        FROM notification_deliveries d
        WHERE d.channel = ${channel} AND d.status = 'pending' AND d.due_at <= ${time(sql, now)}
          AND NOT EXISTS (
            SELECT 1 FROM notification_deliveries e
            WHERE e.channel = d.channel AND e.status = 'pending' AND e.place < d.place
              AND (e.is_digest OR (d.run_id <> '' AND e.run_id = d.run_id)))
        ORDER BY d.place, d.id LIMIT 1`,
      ([delivery]) => delivery ?? null
    ),

  delivered: ({ id }: Delivery, now: number) => sql`
    UPDATE notification_deliveries
    SET status = 'delivered', attempts = attempts + 1, error = NULL, finished_at = ${time(sql, now)} WHERE id = ${id}`,

  /** `dueAt` null: it is a dead letter. */
  failed: ({ id }: Delivery, error: string, dueAt: number | null, now: number) => sql`
    UPDATE notification_deliveries SET
      status = ${dueAt === null ? "dead" : "pending"}, attempts = attempts + 1, error = ${error.slice(0, 1_000)},
      first_tried_at = coalesce(first_tried_at, ${time(sql, now)}), due_at = ${time(sql, dueAt ?? now)},
      finished_at = ${dueAt === null ? time(sql, now) : sql`NULL`}
    WHERE id = ${id}`,

  /** The receiver is back: whatever has waited for that may go. */
  wake: (channel: string, now: number) => sql`
    UPDATE notification_deliveries SET due_at = ${time(sql, now)}
    WHERE channel = ${channel} AND status = 'pending' AND attempts > 0 AND due_at > ${time(sql, now)}`,

  /** A dead letter is tried again as if it were new. */
  revive: (id: string, now: number) => sql`
    UPDATE notification_deliveries
    SET status = 'pending', attempts = 0, first_tried_at = NULL, finished_at = NULL, due_at = ${time(sql, now)}
    WHERE id = ${id} AND status = 'dead'`,

  /** Puts all that waits into one message, if it is more than the channel may send in a minute. */
  digest: ({ name, perMinute }: Channel, now: number) =>
    sql.withTransaction(
      Effect.gen(function* () {
        const waiting = yield* sql<{ id: string; place: string; notification: Message }>`
          SELECT id, place, notification FROM notification_deliveries
          WHERE channel = ${name} AND status = 'pending' AND NOT is_digest AND due_at <= ${time(sql, now)}
          ORDER BY place, id FOR UPDATE`
        if (waiting.length <= perMinute) return false
        const kinds: Record<string, number> = {}
        for (const { notification } of waiting) kinds[notification.kind] = (kinds[notification.kind] ?? 0) + 1
        const first = waiting[0]!
        const id = `digest:${first.id}:${waiting.length}`
        const notification: Message = {
          id,
          kind: "digest",
          message: `${waiting.length} notifications came at once`,
          at: new Date(now).toISOString(),
          data: {
            total: waiting.length,
            kinds,
            notifications: waiting.slice(0, digestListedMax).map((one) => one.notification)
          }
        }
        yield* sql`
          UPDATE notification_deliveries SET status = 'digested', finished_at = ${time(sql, now)}
          WHERE id IN ${sql.in(waiting.map((one) => one.id))}`
        yield* sql`
          INSERT INTO notification_deliveries
            (id, channel, notification_id, place, run_id, is_digest, status, notification, attempts, due_at, created_at)
          VALUES (${id}, ${name}, ${id}, ${first.place}, '', true, 'pending', ${JSON.stringify(notification)}::json, 0,
            ${time(sql, now)}, ${time(sql, now)})`
        return true
      })
    ),

  /** What is old enough that nobody asks for it: sent ones after 7 days, dead letters after 90. */
  prune: (now: number) => sql`
    DELETE FROM notification_deliveries
    WHERE finished_at < ${time(sql, now - 7 * 86_400_000)}
      AND (status <> 'dead' OR finished_at < ${time(sql, now - 90 * 86_400_000)})`
}))
export type Outbox = Effect.Success<typeof make>

/** Delay before the next try, ms: doubles from the first, half of it by chance. */
export const backoff = (attempts: number, firstMs: number, maxMs: number) =>
  Effect.map(Random.next, (chance) => Math.min(firstMs * 2 ** Math.min(attempts, 30), maxMs) * (0.5 + chance / 2))
