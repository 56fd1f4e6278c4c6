import { Effect, Result, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { shownPartition } from "../domain/run/RunView.ts"
import * as Id from "../domain/Id.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import { available } from "./Available.ts"
import { InvalidCursor, limitOf, type Page, type PageRequest } from "./Page.ts"

/** What is left out does not filter. */
export interface AssetFilter {
  /** The workflow that made the current generation. */
  readonly workflow?: string | undefined
  /** Compared without case. */
  readonly assetId?: string | undefined
  /** Only what is known to be gone or unusable. */
  readonly missing?: boolean | undefined
}

export interface AssetListItem {
  readonly assetId: string
  readonly partitionKey: string | null
  /** 0: never produced. */
  readonly generation: number
  readonly generations: number
  readonly workflow: string | null
  readonly version: number | null
  readonly stepId: string | null
  readonly runId: string | null
  readonly producedAt: string | null
  readonly missing: "missing" | "corrupt" | null
  readonly missingSince: string | null
}

interface Row extends Omit<AssetListItem, "partitionKey" | "producedAt" | "missingSince"> {
  readonly assetKey: string
  readonly partitionKey: string
  readonly producedAt: Date | null
  readonly missingSince: Date | null
}

const Cursor = Schema.fromJsonString(Schema.Tuple([Schema.String, Schema.String]))
const decodeCursor = Schema.decodeUnknownResult(Cursor)

/** Asset partitions in the order of asset id and partition key. */
export const list = Effect.fn("AssetListQuery.list")(function* (
  filter: AssetFilter,
  request: PageRequest
): Effect.fn.Return<Page<AssetListItem>, InvalidCursor | LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const { cursor } = request
  const mark = cursor === undefined ? null : decodeCursor(Buffer.from(cursor, "base64url").toString("utf8"))
  if (cursor !== undefined && mark !== null && Result.isFailure(mark)) return yield* new InvalidCursor({ cursor })
  const after = mark === null || Result.isFailure(mark) ? null : mark.success
  const { assetId, missing, workflow } = filter
  const conditions = [
    sql`true`,
    workflow === undefined ? null : sql`workflow = ${workflow}`,
    assetId === undefined ? null : sql`asset_key = ${Id.assetKey(assetId)}`,
    missing === undefined ? null : missing ? sql`missing IS NOT NULL` : sql`missing IS NULL`,
    after === null ? null : sql`(asset_key, partition_key) > (${after[0]}, ${after[1]})`
  ].filter((condition) => condition !== null)
  const limit = limitOf(request)
  const rows = yield* available(sql<Row>`
    SELECT asset_key AS "assetKey", partition_key AS "partitionKey", asset_id AS "assetId", generation, generations,
      workflow, version, step_id AS "stepId", run_id AS "runId", produced_at AS "producedAt", missing,
      missing_since AS "missingSince"
    FROM asset_list_v1 WHERE ${sql.and(conditions)} ORDER BY asset_key, partition_key LIMIT ${limit + 1}`)
  const data = rows.slice(0, limit)
  const last = rows.length > limit ? data[data.length - 1] : undefined
  const nextCursor =
    last === undefined ? null : Buffer.from(JSON.stringify([last.assetKey, last.partitionKey])).toString("base64url")
  return { data: data.map(shown), nextCursor }
})

const shown = ({ assetKey: _, missingSince, partitionKey, producedAt, ...row }: Row): AssetListItem => ({
  ...row,
  partitionKey: shownPartition(partitionKey),
  producedAt: producedAt?.toISOString() ?? null,
  missingSince: missingSince?.toISOString() ?? null
})
