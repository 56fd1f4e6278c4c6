import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Fragment } from "effect/sql/Statement"
import * as Id from "../domain/Id.ts"
import type { RunStatus } from "../domain/run/RunView.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import { available } from "./Available.ts"
import { type InvalidCursor, limitOf, type Mark, markOf, type Page, type PageRequest, pageOf } from "./Page.ts"
import type { RunFailure } from "./RunFold.ts"

/** What is left out does not filter. */
export interface RunFilter {
  readonly workflow?: string | undefined
  readonly status?: RunStatus | undefined
  /** The trigger's type, such as `manual`. */
  readonly trigger?: string | undefined
  /** Compared without case. */
  readonly partitionKey?: string | undefined
  /** Created at or after, epoch ms. */
  readonly from?: number | undefined
  /** Created before, epoch ms. */
  readonly to?: number | undefined
}

/** A run as lists show it; the run itself, with its steps, is read from its own stream. */
export interface RunListItem {
  readonly id: string
  readonly workflow: string
  readonly version: number
  readonly status: RunStatus
  readonly paused: boolean
  readonly partitionKey: string | null
  readonly runKey: string | null
  readonly trigger: { readonly type: string }
  readonly failure?: RunFailure
  readonly createdAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
}

interface Row extends Mark {
  readonly workflow: string
  readonly version: number
  readonly status: RunStatus
  readonly partitionKey: string | null
  readonly runKey: string | null
  readonly trigger: { readonly type: string }
  readonly failure: RunFailure | null
  readonly paused: boolean
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
}

/** Runs by the time at which they were requested, newest first. */
export const list = Effect.fn("RunListQuery.list")(function* (
  filter: RunFilter,
  request: PageRequest
): Effect.fn.Return<Page<RunListItem>, InvalidCursor | LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const mark = yield* markOf(request)
  const limit = limitOf(request)
  const where = sql.and([sql`true`, ...conditions(sql, filter, mark)])
  const columns = sql.literal(`id, workflow, version, status, partition_key AS "partitionKey", run_key AS "runKey",
    trigger, failure, created_at AS "createdAt", started_at AS "startedAt"`)
  // Each half takes its own page; the newest of both are the page of all. Ended runs come by an index.
  const rows = yield* available(sql<Row>`
    SELECT id, workflow, version, status, "partitionKey", "runKey", trigger, failure, "createdAt", "startedAt",
      "finishedAt", paused, (extract(epoch FROM "createdAt") * 1000)::float8 AS at FROM (
      (SELECT ${columns}, NULL::timestamptz AS "finishedAt", paused FROM run_list_v1_active
        WHERE ${where} ORDER BY created_at DESC, id DESC LIMIT ${limit + 1})
      UNION ALL
      (SELECT ${columns}, finished_at AS "finishedAt", false AS paused FROM run_list_v1_ended
        WHERE ${where} ORDER BY created_at DESC, id DESC LIMIT ${limit + 1})
    ) AS runs ORDER BY "createdAt" DESC, id DESC LIMIT ${limit + 1}`)
  return pageOf(rows, limit, shown)
})

const conditions = (sql: SqlClient.SqlClient, filter: RunFilter, mark: Mark | null): ReadonlyArray<Fragment> => {
  const { from, partitionKey, status, to, trigger, workflow } = filter
  const time = (epochMs: number) => sql`to_timestamp(${epochMs}::float8 / 1000)`
  return [
    workflow === undefined ? null : sql`workflow = ${workflow}`,
    status === undefined ? null : sql`status = ${status}`,
    trigger === undefined ? null : sql`trigger ->> 'type' = ${trigger}`,
    partitionKey === undefined ? null : sql`lower(partition_key COLLATE "C") = ${Id.partitionKey(partitionKey)}`,
    from === undefined ? null : sql`created_at >= ${time(from)}`,
    to === undefined ? null : sql`created_at < ${time(to)}`,
    mark === null ? null : sql`created_at <= ${time(mark.at)}`,
    mark === null ? null : sql`(created_at, id) < (${time(mark.at)}, ${mark.id})`
  ].filter((condition) => condition !== null)
}

const shown = ({ at: _at, createdAt, failure, finishedAt, startedAt, ...row }: Row): RunListItem => ({
  ...row,
  ...(failure === null ? {} : { failure }),
  createdAt: createdAt.toISOString(),
  startedAt: startedAt?.toISOString() ?? null,
  finishedAt: finishedAt?.toISOString() ?? null
})
