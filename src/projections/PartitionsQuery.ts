import { Clock, Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Partitioning } from "../domain/Definition.ts"
import * as Id from "../domain/Id.ts"
import { expired } from "../domain/PartitionSet.ts"
import { shownPartition } from "../domain/run/RunView.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import {
  type AssetListItem,
  cursorOf,
  type Listed,
  listedColumns,
  openRecoveries,
  pairOf,
  shown,
  type ShownState
} from "./AssetListQuery.ts"
import { noCounts } from "./AssetTotals.ts"
import * as AssetTotalsQuery from "./AssetTotalsQuery.ts"
import { available } from "./Available.ts"
import * as Columns from "./Columns.ts"
import { compare, type Declared, make as makeDeclared } from "./DeclaredPartitions.ts"
import { type InvalidCursor, limitOf, type Page, type PageRequest } from "./Page.ts"

export interface PartitionedAsset {
  readonly workflow: string
  readonly assetId: string
  readonly partitioning: Partitioning | undefined
}

export interface LatestRun {
  readonly id: string
  readonly status: string
  readonly createdAt: string
}

/** One partition of a page. `declared`: the asset has it now; `upcoming`: its window has not begun. */
export interface PartitionItem {
  readonly partitionKey: string | null
  readonly state: ShownState
  readonly declared: boolean
  readonly upcoming: boolean
  /** The newest run of the workflow for this partition, however it goes. */
  readonly latestRun: LatestRun | null
  /** What is recorded; null: nothing. */
  readonly recorded: AssetListItem | null
}

export interface PartitionsPage extends Page<PartitionItem> {
  readonly counts: AssetTotalsQuery.Totals["counts"]
  readonly upcoming: string | null
}

const sum = (counts: AssetTotalsQuery.Totals["counts"]) =>
  Object.values(counts).reduce((total, count) => total + count, 0)

const recoveringNone = { ...noCounts, recovering: 0 }

/** The partitions of an asset, declared and recorded, page by page. Keeps what is costly to find out between pages. */
export const make = () => {
  const declaredOf = makeDeclared()
  const known = new WeakMap<Declared, { readonly rows: number; readonly known: number }>()

  /** How many declared partitions the list has. It never loses one, so that only a new row makes a difference. */
  const knownAmong = Effect.fnUntraced(function* (assetId: string, declared: Declared, rows: number) {
    const before = known.get(declared)
    if (before?.rows === rows) return before.known
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* available(sql<{ readonly count: number }>`
      SELECT count(*)::int AS count FROM asset_list_v2
      WHERE asset_key = ${Id.assetKey(assetId)} AND partition_id = ANY(${Columns.text(declared.ids)})`)
    const count = row?.count ?? 0
    known.set(declared, { rows, known: count })
    return count
  })

  return Effect.fn("PartitionsQuery.page")(function* (
    asset: PartitionedAsset,
    request: PageRequest
  ): Effect.fn.Return<PartitionsPage, InvalidCursor | LogUnavailable, SqlClient.SqlClient> {
    const { assetId, partitioning, workflow } = asset
    const now = yield* Clock.currentTimeMillis
    const after = (yield* pairOf(request.cursor))?.[1]
    const limit = limitOf(request)
    const totals = (yield* AssetTotalsQuery.read([assetId])).get(Id.assetKey(assetId))
    const counts = totals?.counts ?? recoveringNone
    const rows = sum(counts)
    const declared = partitioning === undefined && rows === 0 ? neverPartitioned : declaredOf(partitioning, now)
    const listed = yield* readRows(assetId, declared.isDescending, after, limit + 1)
    const byId = new Map(listed.map((row) => [row.partitionId, row]))
    const order = declared.isDescending ? (left: string, right: string) => compare(right, left) : compare
    const from = after === undefined ? 0 : firstAfter(declared.ids, after, order)
    const ids = [...new Set([...byId.keys(), ...declared.ids.slice(from, from + limit + 1)])].sort(order)
    const page = ids.slice(0, limit)
    const runs = yield* latestRuns(workflow, page)
    const upcomingId = declared.upcoming === undefined ? undefined : Id.partitionKey(declared.upcoming)
    const item = (id: string): PartitionItem => {
      const row = byId.get(id)
      return {
        partitionKey: shownPartition(row?.partitionKey ?? declared.keyOf.get(id) ?? id),
        state: row?.state ?? "not_materialized",
        declared: isDeclared(partitioning, declared, id, row, now),
        upcoming: id === upcomingId,
        latestRun: runs.get(id) ?? null,
        recorded: row === undefined ? null : shown(row)
      }
    }
    const absent = declared.ids.length === 0 ? 0 : declared.ids.length - (yield* knownAmong(assetId, declared, rows))
    const last = page.at(-1)
    return {
      data: page.map(item),
      nextCursor: ids.length > limit && last !== undefined ? cursorOf([Id.assetKey(assetId), last]) : null,
      counts: { ...counts, not_materialized: counts.not_materialized + absent },
      upcoming: declared.upcoming ?? null
    }
  })
}

/** Nothing is recorded of an asset without partitions: it is one thing, and not there yet. */
const neverPartitioned: Declared = {
  ids: [""],
  keyOf: new Map([["", ""]]),
  upcoming: undefined,
  isDescending: false
}

const isDeclared = (
  partitioning: Partitioning | undefined,
  declared: Declared,
  id: string,
  row: Listed | undefined,
  now: number
): boolean => {
  if (declared.keyOf.has(id) || partitioning === undefined) return true
  if (row === undefined || row.producedAt === null || partitioning.type === "static") return false
  // Windows before the lookback are still windows; of a dynamic asset what is not too old.
  return expired(partitioning, new Map([[row.partitionKey, row.producedAt.getTime()]]), now).length === 0
}

/** The place of the first id behind the cursor. */
const firstAfter = (
  ids: ReadonlyArray<string>,
  cursor: string,
  order: (left: string, right: string) => number
): number => {
  let low = 0
  let high = ids.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (order(ids[middle]!, cursor) <= 0) low = middle + 1
    else high = middle
  }
  return low
}

const readRows = Effect.fnUntraced(function* (
  assetId: string,
  isDescending: boolean,
  after: string | undefined,
  limit: number
) {
  const sql = yield* SqlClient.SqlClient
  const behind =
    after === undefined ? sql`true` : isDescending ? sql`a.partition_id < ${after}` : sql`a.partition_id > ${after}`
  return yield* available(sql<Listed>`
    WITH ${sql.literal(openRecoveries)}
    SELECT ${sql.literal(listedColumns)}
    FROM asset_list_v2 a LEFT JOIN open o ON o.asset_key = a.asset_key AND o.partition_id = a.partition_id
    WHERE a.asset_key = ${Id.assetKey(assetId)} AND ${behind}
    ORDER BY a.partition_id ${sql.literal(isDescending ? "DESC" : "ASC")} LIMIT ${limit}`)
})

interface RunRow {
  readonly partitionId: string
  readonly id: string
  readonly status: string
  readonly createdAt: Date
}

/** The newest run of the workflow for each partition ("": runs without one are not looked for). */
const latestRuns = Effect.fnUntraced(function* (workflow: string, partitionIds: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* available(sql<RunRow>`
    SELECT k.id AS "partitionId", run.id, run.status, run.created_at AS "createdAt"
    FROM unnest(${Columns.text(partitionIds)}) AS k (id)
    CROSS JOIN LATERAL (
      (SELECT id, status, created_at FROM run_list_v1_active
        WHERE workflow = ${workflow} AND lower(partition_key COLLATE "C") = k.id ORDER BY created_at DESC LIMIT 1)
      UNION ALL
      (SELECT id, status, created_at FROM run_list_v1_ended
        WHERE workflow = ${workflow} AND partition_key IS NOT NULL AND lower(partition_key COLLATE "C") = k.id
        ORDER BY created_at DESC LIMIT 1)
      ORDER BY created_at DESC LIMIT 1
    ) AS run`)
  return new Map(
    rows.map(({ createdAt, id, partitionId, status }) => [
      partitionId,
      { id, status, createdAt: createdAt.toISOString() }
    ])
  )
})
