import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { subscription } from "../bus/Publisher.ts"
import type { Position } from "../eventstore/EventStore.ts"
import * as SafeHorizon from "../eventstore/SafeHorizon.ts"
import { available } from "../projections/Available.ts"
import * as BackfillListQuery from "../projections/BackfillListQuery.ts"
import * as BulkListQuery from "../projections/BulkListQuery.ts"
import * as MetricsCounters from "../projections/MetricsCounters.ts"
import * as NotificationsQuery from "../projections/NotificationsQuery.ts"
import type { PageRequest } from "../projections/Page.ts"
import { ProjectionRunner } from "../projections/ProjectionRunner.ts"
import * as QueueHealth from "../projections/QueueHealth.ts"
import * as QueueHealthHistory from "../projections/QueueHealthHistory.ts"
import * as RecoveryListQuery from "../projections/RecoveryListQuery.ts"
import * as RunListQuery from "../projections/RunListQuery.ts"
import * as RunParameters from "../projections/RunParameters.ts"
import { type MetricRow, Reads } from "./Reads.ts"

const suffixes = ["_bucket", "_sum", "_count"] as const

/** A sample's row: a histogram's samples carry a suffix on the metric's name. */
const metricRow = (name: string, sample: MetricsCounters.Sample): MetricRow => {
  const { labels, value } = sample
  const suffix = suffixes.find((candidate) => sample.name === name + candidate)
  return suffix === undefined ? { name, labels, value } : { name, suffix, labels, value }
}

const shownHealth = (health: QueueHealth.QueueHealth) => ({
  ...health,
  queues: health.queues.map((queue) => ({ ...queue }))
})

const runs = Effect.fnUntraced(function* (filter: RunListQuery.RunFilter, request: PageRequest) {
  const { data, nextCursor } = yield* RunListQuery.list(filter, request)
  const asked = yield* RunParameters.of(data.map(({ id }) => id))
  return { data: data.map((item) => ({ ...item, ...(asked.get(item.id) ?? unknown) })), nextCursor }
})

/** Only of a log that was restored to before the run, while the read models catch up. */
const unknown: RunParameters.Asked = { parameters: {}, streamVersion: 0 }

/** The lists and counts of the API, from the read models. */
export const layer = Layer.effect(
  Reads,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const runner = yield* ProjectionRunner

    const withSql = <A, E>(query: Effect.Effect<A, E, SqlClient.SqlClient | ProjectionRunner>): Effect.Effect<A, E> =>
      query.pipe(Effect.provideService(SqlClient.SqlClient, sql), Effect.provideService(ProjectionRunner, runner))
    const after = <A, E>(
      minPosition: Position | undefined,
      query: Effect.Effect<A, E, SqlClient.SqlClient | ProjectionRunner>
    ) =>
      minPosition === undefined
        ? withSql(query)
        : Effect.andThen(
            // Without a name no projection can be unknown.
            Effect.catchTag(runner.waitFor(minPosition), "UnknownProjection", Effect.die),
            withSql(query)
          )

    return Reads.of({
      listRuns: (filter, { minPosition, ...request }) => after(minPosition, runs(filter, request)),
      listRecoveries: (filter, { minPosition, ...request }) =>
        Effect.map(after(minPosition, RecoveryListQuery.list(filter, request)), ({ data, nextCursor }) => ({
          data: data.map((item) => ({ ...item })),
          nextCursor
        })),
      listBackfills: (filter, { minPosition, ...request }) =>
        Effect.map(after(minPosition, BackfillListQuery.list(filter, request)), ({ data, nextCursor }) => ({
          data: data.map((item) => ({ ...item })),
          nextCursor
        })),
      listBulks: (filter, { minPosition, ...request }) =>
        Effect.map(after(minPosition, BulkListQuery.list(filter, request)), ({ data, nextCursor }) => ({
          data: data.map((item) => ({ ...item })),
          nextCursor
        })),
      listNotifications: (filter, { minPosition, ...request }) =>
        Effect.map(after(minPosition, NotificationsQuery.list(filter, request)), ({ data, nextCursor }) => ({
          data: data.map((item) => ({ ...item })),
          nextCursor
        })),
      markRead: (id) =>
        withSql(
          Effect.gen(function* () {
            yield* NotificationsQuery.markRead(id)
            const found = yield* NotificationsQuery.read(id)
            return found === null ? null : { ...found }
          })
        ).pipe(Effect.catchTag("UnknownNotification", () => Effect.succeed(null))),
      queueHealth: (minPosition) => Effect.map(after(minPosition, QueueHealth.read(subscription)), shownHealth),
      queueHealthAt: (at) => Effect.map(withSql(QueueHealthHistory.at(at)), shownHealth),
      metrics: Effect.map(withSql(MetricsCounters.read), (metrics) =>
        metrics.flatMap(({ name, samples }) => samples.map((sample) => metricRow(name, sample)))
      ),
      projections: runner.status,
      horizonHolder: Effect.map(withSql(available(SafeHorizon.oldestHolder)), (holder) =>
        holder === null ? null : { pid: holder.pid, ageMs: holder.ageMs, database: holder.database }
      )
    })
  })
)
