import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import { type PartitionState, type Row, stateOf } from "./AssetRows.ts"
import * as Columns from "./Columns.ts"

/** Partitions of an asset by what is known of them. */
export type Counts = { readonly [State in PartitionState]: number }

export const noCounts: Counts = { missing: 0, stale: 0, expired: 0, materialized: 0, not_materialized: 0 }

interface Change {
  readonly assetId: string
  counts: Counts
  producedAt: number | null
}

/** Adds what a batch changed, row by row before and after it, to the totals of each asset: one statement. */
export const write = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  changed: ReadonlyArray<{ readonly before: Row | undefined; readonly after: Row }>
) {
  const byAsset = new Map<string, Change>()
  for (const { after, before } of changed) {
    const change = byAsset.get(after.assetKey) ?? { assetId: after.assetId, counts: noCounts, producedAt: null }
    const counts = { ...change.counts }
    if (before !== undefined) counts[stateOf(before)]--
    counts[stateOf(after)]++
    change.counts = counts
    if (after.producedAt !== null) change.producedAt = Math.max(change.producedAt ?? after.producedAt, after.producedAt)
    byAsset.set(after.assetKey, change)
  }
  const entries = [...byAsset]
  const count = (state: PartitionState) => Columns.int4(entries.map(([, { counts }]) => counts[state]))
  yield* sql`
    INSERT INTO asset_list_v2_totals
      (asset_key, asset_id, materialized, missing, stale, expired, not_materialized, produced_at)
    SELECT asset_key, asset_id, materialized, missing, stale, expired, not_materialized, produced_at
    FROM unnest(
      ${Columns.text(entries.map(([key]) => key))}, ${Columns.text(entries.map(([, { assetId }]) => assetId))},
      ${count("materialized")}, ${count("missing")}, ${count("stale")}, ${count("expired")},
      ${count("not_materialized")}, ${Columns.time(entries.map(([, { producedAt }]) => producedAt))})
      AS change (asset_key, asset_id, materialized, missing, stale, expired, not_materialized, produced_at)
    ON CONFLICT (asset_key) DO UPDATE SET
      materialized = asset_list_v2_totals.materialized + excluded.materialized,
      missing = asset_list_v2_totals.missing + excluded.missing,
      stale = asset_list_v2_totals.stale + excluded.stale,
      expired = asset_list_v2_totals.expired + excluded.expired,
      not_materialized = asset_list_v2_totals.not_materialized + excluded.not_materialized,
      produced_at = greatest(asset_list_v2_totals.produced_at, excluded.produced_at)`
})
