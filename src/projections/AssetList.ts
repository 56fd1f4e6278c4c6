import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Event, type Stored } from "../domain/Asset.ts"
import { expiryOf } from "../domain/Freshness.ts"
import * as Id from "../domain/Id.ts"
import * as AssetRows from "./AssetRows.ts"
import * as AssetTotals from "./AssetTotals.ts"
import * as Columns from "./Columns.ts"
import { type Handler, type LogEvent, type Projection, unknownType } from "./Projection.ts"

/** One row an asset partition, the totals of each asset, and where in its stream each production is. */
export const AssetList: Projection = {
  name: "asset_list_v2",
  categories: ["asset"],
  tables: ["asset_list_v2", "asset_list_v2_totals", "asset_list_v2_history"],
  make: () => handler
}

/** Inputs of a generation that are kept for the mark "outdated". */
const inputsMax = 1_000

type Data<Tag extends Stored["_tag"]> = Extract<Stored, { readonly _tag: Tag }>
type Row = AssetRows.Row

const rowKey = ({ assetKey, partitionId }: Pick<Row, "assetKey" | "partitionId">) => `${assetKey}\n${partitionId}`

const keyOf = (event: LogEvent) => {
  const { assetId, partitionKey } = event.data<Stored>()
  return { assetKey: Id.assetKey(assetId), partitionId: Id.partitionKey(partitionKey) }
}

const known: ReadonlySet<string> = new Set(Object.keys(Event.cases))

const handler: Handler = {
  handle: Effect.fnUntraced(function* (events: ReadonlyArray<LogEvent>) {
    const sql = yield* SqlClient.SqlClient
    for (const event of events) if (!known.has(event.type)) throw unknownType(event)
    const rows = new Map((yield* AssetRows.read(sql, events.map(keyOf))).map((row) => [rowKey(row), row]))
    const changed = new Map<string, Row>()
    for (const event of events) {
      const key = rowKey(keyOf(event))
      changed.set(key, evolve(changed.get(key) ?? rows.get(key) ?? blank(event), event))
    }
    yield* AssetRows.write(sql, [...changed.values()])
    yield* AssetTotals.write(
      sql,
      [...changed].map(([key, after]) => ({ before: rows.get(key), after }))
    )
    const productions = events.filter(({ type }) => type === "AssetProduced")
    if (productions.length > 0) yield* writeHistory(sql, productions)
  }),
  // Nothing is kept between batches.
  forget: () => {}
}

const blank = (event: LogEvent): Row => {
  const { assetId, partitionKey } = event.data<Stored>()
  return {
    ...keyOf(event),
    ...{ assetId, partitionKey, generation: 0, generations: 0, workflow: null, version: null, stepId: null },
    ...{ runId: null, runPartitionKey: null, source: null, producedAt: null, firstProducedAt: null },
    ...{ firstPosition: null, restored: false, missing: null, missingSince: null, expiresAt: null, expiredAt: null },
    ...{ staleSince: null, staleNote: null, inputs: null, position: event.recorded.position }
  }
}

const evolve = (row: Row, event: LogEvent): Row => {
  const { position } = event.recorded
  switch (event.type as Stored["_tag"]) {
    case "AssetProduced":
      return { ...produced(row, event), position }
    case "AssetMissingDetected": {
      const { reason } = event.data<Data<"AssetMissingDetected">>()
      return { ...row, missing: reason, missingSince: event.at, position }
    }
    case "AssetVerified":
      return { ...row, missing: null, missingSince: null, position }
    case "AssetExpired":
      return { ...row, expiresAt: null, expiredAt: event.data<Data<"AssetExpired">>().expiresAt, position }
    case "AssetMarkedStale":
      return { ...row, staleSince: event.at, staleNote: event.data<Data<"AssetMarkedStale">>().note, position }
    case "AssetStaleCleared":
      return { ...row, staleSince: null, staleNote: null, position }
  }
}

const produced = (row: Row, event: LogEvent): Row => {
  const data = event.data<Data<"AssetProduced">>()
  const { generation, producedAt } = data
  const counted = {
    ...row,
    generations: generation,
    firstProducedAt: row.firstProducedAt ?? producedAt,
    firstPosition: row.firstPosition ?? event.recorded.position
  }
  // As the Asset decides: one that arrives late does not become the current one (T8), unless it heals what was lost.
  const heals =
    data.recoveryId !== undefined && data.recoveryId === Id.recovery(row.assetId, row.partitionKey, row.generation)
  if (row.producedAt !== null && producedAt < row.producedAt && !heals) return counted
  const {
    inputs = [],
    restored = false,
    runId,
    runPartitionKey = null,
    source = null,
    stepId,
    version,
    workflow
  } = data
  const made = { generation, workflow, version, stepId, runId, runPartitionKey, source, producedAt, restored }
  const used = inputs
    .slice(0, inputsMax)
    .map((input) => [Id.assetKey(input.assetId), Id.partitionKey(input.partitionKey), input.generation])
  return {
    ...counted,
    ...made,
    ...{ missing: null, missingSince: null, expiresAt: expiryOf(data)?.at ?? null, expiredAt: null },
    ...{ staleSince: null, staleNote: null, inputs: JSON.stringify(used) }
  }
}

const writeHistory = (sql: SqlClient.SqlClient, productions: ReadonlyArray<LogEvent>) => {
  const keys = productions.map(keyOf)
  return sql`
    INSERT INTO asset_list_v2_history (asset_key, position, partition_id, stream_version)
    SELECT asset_key, position, partition_id, stream_version
    FROM unnest(
      ${Columns.text(keys.map(({ assetKey }) => assetKey))},
      ${Columns.text(productions.map(({ recorded }) => recorded.position))},
      ${Columns.text(keys.map(({ partitionId }) => partitionId))},
      ${Columns.int4(productions.map(({ recorded }) => recorded.streamVersion))})
      AS production (asset_key, position, partition_id, stream_version)`
}
