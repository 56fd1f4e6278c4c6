import { Effect, Result, Schema } from "effect"
import { SqlClient } from "effect/sql"
import * as Id from "../domain/Id.ts"
import { shownPartition } from "../domain/run/RunView.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import type { PartitionState, Row as Kept } from "./AssetRows.ts"
import { available } from "./Available.ts"
import { CursorText, InvalidCursor, limitOf, type Page, type PageRequest } from "./Page.ts"

/** `recovering`: a Recovery of it is in progress, whatever else is known. */
export type ShownState = PartitionState | "recovering"

/** What is left out does not filter. */
export interface AssetFilter {
  /** The workflow that made the current generation. */
  readonly workflow?: string | undefined
  /** Compared without case. */
  readonly assetId?: string | undefined
  readonly state?: ShownState | undefined
}

/** One asset partition as lists show it. */
export interface AssetListItem
  extends Omit<
    Kept,
    | "assetKey"
    | "partitionId"
    | "partitionKey"
    | "firstPosition"
    | "inputs"
    | "position"
    | "producedAt"
    | "firstProducedAt"
    | "missingSince"
    | "expiresAt"
    | "expiredAt"
    | "staleSince"
  > {
  readonly partitionKey: string | null
  readonly state: ShownState
  readonly producedAt: string | null
  readonly firstProducedAt: string | null
  readonly missingSince: string | null
  readonly expiresAt: string | null
  readonly expiredAt: string | null
  readonly staleSince: string | null
}

/** A row as the statements below read it. */
export interface Listed extends Omit<AssetListItem, "partitionKey" | "producedAt" | "firstProducedAt" | Times> {
  readonly assetKey: string
  readonly partitionId: string
  readonly partitionKey: string
  readonly producedAt: Date | null
  readonly firstProducedAt: Date | null
  readonly missingSince: Date | null
  readonly expiresAt: Date | null
  readonly expiredAt: Date | null
  readonly staleSince: Date | null
}
type Times = "missingSince" | "expiresAt" | "expiredAt" | "staleSince"

/** The partitions with a Recovery in progress: few, so they are found first. */
export const openRecoveries = `open AS MATERIALIZED (
  SELECT DISTINCT asset_key COLLATE "C" AS asset_key, lower(partition_key COLLATE "C") AS partition_id
  FROM recovery_list_v1 WHERE status IN ('requested', 'planned', 'running'))`

/** The columns of `Listed`, of `asset_list_v2 a` joined with `open o`. */
export const listedColumns = `a.asset_key AS "assetKey", a.partition_id AS "partitionId", a.asset_id AS "assetId",
  a.partition_key AS "partitionKey", CASE WHEN o.asset_key IS NULL THEN a.state ELSE 'recovering' END AS state,
  a.generation, a.generations, a.workflow, a.version, a.step_id AS "stepId", a.run_id AS "runId",
  a.run_partition_key AS "runPartitionKey", a.source, a.produced_at AS "producedAt",
  a.first_produced_at AS "firstProducedAt", a.restored, a.missing, a.missing_since AS "missingSince",
  a.expires_at AS "expiresAt", a.expired_at AS "expiredAt", a.stale_since AS "staleSince", a.stale_note AS "staleNote"`

const Cursor = Schema.fromJsonString(Schema.Tuple([CursorText, CursorText]))
const decodeCursor = Schema.decodeUnknownResult(Cursor)

/** Where a page of a list by asset and partition begins; null: at its start. */
export const pairOf = (cursor: string | undefined): Effect.Effect<readonly [string, string] | null, InvalidCursor> => {
  if (cursor === undefined) return Effect.succeed(null)
  const read = decodeCursor(Buffer.from(cursor, "base64url").toString("utf8"))
  return Result.isFailure(read) ? Effect.fail(new InvalidCursor({ cursor })) : Effect.succeed(read.success)
}

export const cursorOf = (pair: readonly [string, string]): string =>
  Buffer.from(JSON.stringify(pair)).toString("base64url")

/** Asset partitions in the order of asset id and partition key, without case. */
export const list = Effect.fn("AssetListQuery.list")(function* (
  filter: AssetFilter,
  request: PageRequest
): Effect.fn.Return<Page<AssetListItem>, InvalidCursor | LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const after = yield* pairOf(request.cursor)
  const { assetId, state, workflow } = filter
  const conditions = [
    sql`true`,
    workflow === undefined ? null : sql`a.workflow = ${workflow}`,
    assetId === undefined ? null : sql`a.asset_key = ${Id.assetKey(assetId)}`,
    state === undefined
      ? null
      : state === "recovering"
        ? sql`o.asset_key IS NOT NULL`
        : sql`a.state = ${state} AND o.asset_key IS NULL`,
    // Said again in the index's words, so that the planner knows that the index has all of them.
    state === undefined || state === "recovering" || state === "materialized" ? null : sql`a.state <> 'materialized'`,
    after === null ? null : sql`(a.asset_key, a.partition_id) > (${after[0]}, ${after[1]})`
  ].filter((condition) => condition !== null)
  const limit = limitOf(request)
  const rows = yield* available(sql<Listed>`
    WITH ${sql.literal(openRecoveries)}
    SELECT ${sql.literal(listedColumns)}
    FROM asset_list_v2 a LEFT JOIN open o ON o.asset_key = a.asset_key AND o.partition_id = a.partition_id
    WHERE ${sql.and(conditions)} ORDER BY a.asset_key, a.partition_id LIMIT ${limit + 1}`)
  const data = rows.slice(0, limit)
  const last = rows.length > limit ? data[data.length - 1] : undefined
  return { data: data.map(shown), nextCursor: last === undefined ? null : cursorOf([last.assetKey, last.partitionId]) }
})

/** Every partition of the asset that was ever produced, in the order of their first production. */
export const recordedPartitions = Effect.fn("AssetListQuery.recordedPartitions")(function* (
  assetId: string
): Effect.fn.Return<ReadonlyArray<string>, LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* available(sql<{ readonly partitionKey: string }>`
    SELECT partition_key AS "partitionKey" FROM asset_list_v2
    WHERE asset_key = ${Id.assetKey(assetId)} AND generation > 0 ORDER BY first_position`)
  return rows.map(({ partitionKey }) => partitionKey)
})

const iso = (time: Date | null) => time?.toISOString() ?? null

export const shown = (listed: Listed): AssetListItem => {
  const { assetKey: _, partitionId: __, ...row } = listed
  return {
    ...row,
    partitionKey: shownPartition(row.partitionKey),
    producedAt: iso(row.producedAt),
    firstProducedAt: iso(row.firstProducedAt),
    missingSince: iso(row.missingSince),
    expiresAt: iso(row.expiresAt),
    expiredAt: iso(row.expiredAt),
    staleSince: iso(row.staleSince)
  }
}
