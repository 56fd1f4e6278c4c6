import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Id from "../domain/Id.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import { openRecoveries } from "./AssetListQuery.ts"
import type { Counts } from "./AssetTotals.ts"
import { available } from "./Available.ts"
import * as Columns from "./Columns.ts"

/** Partitions of one asset by state. `recovering` ones are counted there only. */
export interface Totals {
  readonly assetId: string
  readonly counts: Counts & { readonly recovering: number }
  /** Time of the latest production, ISO 8601; null: never. */
  readonly producedAt: string | null
}

interface Row extends Counts {
  readonly assetKey: string
  readonly assetId: string
  readonly producedAt: Date | null
}

interface Open {
  readonly assetKey: string
  /** Of the partition as the list has it; null: the list does not have it. */
  readonly state: keyof Counts | null
  readonly count: number
}

/** By asset key: of those of the assets that anything is recorded of. */
export const read = Effect.fn("AssetTotalsQuery.read")(function* (
  assetIds: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyMap<string, Totals>, LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const keys = Columns.text([...new Set(assetIds.map(Id.assetKey))])
  const rows = yield* available(sql<Row>`
    SELECT asset_key AS "assetKey", asset_id AS "assetId", materialized, missing, stale, expired, not_materialized,
      produced_at AS "producedAt"
    FROM asset_list_v2_totals WHERE asset_key = ANY(${keys})`)
  const open = yield* available(sql<Open>`
    WITH ${sql.literal(openRecoveries)}
    SELECT o.asset_key AS "assetKey", a.state, count(*)::int AS count
    FROM open o LEFT JOIN asset_list_v2 a ON a.asset_key = o.asset_key AND a.partition_id = o.partition_id
    WHERE o.asset_key = ANY(${keys}) GROUP BY o.asset_key, a.state`)
  const totals = new Map<string, Totals>()
  for (const { assetId, assetKey, producedAt, ...counts } of rows) {
    totals.set(assetKey, {
      assetId,
      counts: { ...counts, recovering: 0 },
      producedAt: producedAt?.toISOString() ?? null
    })
  }
  for (const { assetKey, count, state } of open) {
    const before = totals.get(assetKey)
    if (before === undefined) continue
    const counts = { ...before.counts, recovering: before.counts.recovering + count }
    if (state !== null) counts[state] -= count
    totals.set(assetKey, { ...before, counts })
  }
  return totals
})

/** Partitions of each asset that are looked at for the mark "outdated". */
const comparedMax = 1_000

/** How many of the first 1,000 partitions were made from a generation of an input that is not its current one. */
export interface Outdated {
  readonly outdated: number
  readonly compared: number
}

/** By asset key. Of each generation the first 1,000 inputs are compared. */
export const outdated = Effect.fn("AssetTotalsQuery.outdated")(function* (
  assetIds: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyMap<string, Outdated>, LogUnavailable, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const keys = Columns.text([...new Set(assetIds.map(Id.assetKey))])
  const rows = yield* available(sql<Outdated & { readonly assetKey: string }>`
    SELECT k.key AS "assetKey", count(*)::int AS compared, count(*) FILTER (WHERE a.is_outdated)::int AS outdated
    FROM unnest(${keys}) AS k (key)
    CROSS JOIN LATERAL (
      SELECT EXISTS (
        SELECT 1 FROM json_array_elements(c.inputs) AS input
        JOIN asset_list_v2 u ON u.asset_key = input ->> 0 AND u.partition_id = input ->> 1
        WHERE u.generation > (input ->> 2)::int
      ) AS is_outdated
      FROM asset_list_v2 c WHERE c.asset_key = k.key AND c.generation > 0 ORDER BY c.partition_id LIMIT ${comparedMax}
    ) AS a
    GROUP BY k.key`)
  return new Map(rows.map(({ assetKey, compared, outdated }) => [assetKey, { compared, outdated }]))
})
