import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Event, type Stored } from "../domain/Asset.ts"
import * as Id from "../domain/Id.ts"
import * as Columns from "./Columns.ts"
import { type Handler, type LogEvent, type Projection, unknownType } from "./Projection.ts"

/** One row an asset partition: its current generation, who made it, and whether it is known to be gone. */
export const AssetList: Projection = {
  name: "asset_list_v1",
  categories: ["asset"],
  tables: ["asset_list_v1"],
  make: () => handler
}

interface Row {
  readonly assetKey: string
  readonly partitionKey: string
  readonly assetId: string
  readonly generation: number
  readonly generations: number
  readonly workflow: string | null
  readonly version: number | null
  readonly stepId: string | null
  readonly runId: string | null
  readonly producedAt: number | null
  readonly missing: "missing" | "corrupt" | null
  readonly missingSince: number | null
  readonly position: string
}

type Data<Tag extends Stored["_tag"]> = Extract<Stored, { readonly _tag: Tag }>

const rowKey = ({ assetKey, partitionKey }: Pick<Row, "assetKey" | "partitionKey">) => `${assetKey}\n${partitionKey}`

const keyOf = (event: LogEvent) => {
  const { assetId, partitionKey } = event.data<Stored>()
  return { assetKey: Id.assetKey(assetId), partitionKey }
}

const known: ReadonlySet<string> = new Set(Object.keys(Event.cases))

const handler: Handler = {
  handle: Effect.fnUntraced(function* (events: ReadonlyArray<LogEvent>) {
    const sql = yield* SqlClient.SqlClient
    for (const event of events) if (!known.has(event.type)) throw unknownType(event)
    const rows = new Map((yield* read(sql, events.map(keyOf))).map((row) => [rowKey(row), row]))
    const changed = new Map<string, Row>()
    for (const event of events) {
      const key = rowKey(keyOf(event))
      changed.set(key, evolve(changed.get(key) ?? rows.get(key) ?? blank(event), event))
    }
    yield* write(sql, [...changed.values()])
  }),
  // Nothing is kept between batches.
  forget: () => {}
}

const blank = (event: LogEvent): Row => ({
  ...keyOf(event),
  assetId: event.data<Stored>().assetId,
  generation: 0,
  generations: 0,
  workflow: null,
  version: null,
  stepId: null,
  runId: null,
  producedAt: null,
  missing: null,
  missingSince: null,
  position: event.recorded.position
})

const evolve = (row: Row, event: LogEvent): Row => {
  const { position } = event.recorded
  switch (event.type as Stored["_tag"]) {
    case "AssetProduced": {
      const { assetId, generation, producedAt, runId, source, stepId, version, workflow } =
        event.data<Data<"AssetProduced">>()
      // One that arrives late is counted, and does not become the current one (T8).
      if (row.producedAt !== null && producedAt < row.producedAt) return { ...row, generations: generation, position }
      // Who announced a production from outside has no workflow here.
      const maker =
        source === undefined
          ? { workflow, version, stepId, runId }
          : { workflow: null, version: null, stepId: null, runId: null }
      const produced = { assetId, generation, generations: generation, ...maker, producedAt }
      return { ...row, ...produced, missing: null, missingSince: null, position }
    }
    case "AssetMissingDetected": {
      const { reason } = event.data<Data<"AssetMissingDetected">>()
      return { ...row, missing: reason, missingSince: event.at, position }
    }
    case "AssetVerified":
      return { ...row, missing: null, missingSince: null, position }
    case "AssetExpired":
    case "AssetMarkedStale":
    case "AssetStaleCleared":
      return { ...row, position }
  }
}

const read = (sql: SqlClient.SqlClient, keys: ReadonlyArray<Pick<Row, "assetKey" | "partitionKey">>) => sql<Row>`
  SELECT asset_key AS "assetKey", partition_key AS "partitionKey", asset_id AS "assetId", generation, generations,
    workflow, version, step_id AS "stepId", run_id AS "runId",
    (extract(epoch FROM produced_at) * 1000)::float8 AS "producedAt", missing,
    (extract(epoch FROM missing_since) * 1000)::float8 AS "missingSince", position
  FROM asset_list_v1
  WHERE (asset_key, partition_key) IN (
    SELECT touched.asset_key, touched.partition_key
    FROM unnest(${Columns.text(keys.map(({ assetKey }) => assetKey))},
      ${Columns.text(keys.map(({ partitionKey }) => partitionKey))}) AS touched (asset_key, partition_key))`

const write = (sql: SqlClient.SqlClient, rows: ReadonlyArray<Row>) => sql`
  INSERT INTO asset_list_v1
    (asset_key, partition_key, asset_id, generation, generations, workflow, version, step_id, run_id, produced_at,
      missing, missing_since, position)
  SELECT asset_key, partition_key, asset_id, generation, generations, workflow, version, step_id, run_id, produced_at,
    missing, missing_since, position
  FROM unnest(
    ${Columns.text(rows.map(({ assetKey }) => assetKey))},
    ${Columns.text(rows.map(({ partitionKey }) => partitionKey))},
    ${Columns.text(rows.map(({ assetId }) => assetId))}, ${Columns.int4(rows.map(({ generation }) => generation))},
    ${Columns.int4(rows.map(({ generations }) => generations))},
    ${Columns.text(rows.map(({ workflow }) => workflow))}, ${Columns.int4(rows.map(({ version }) => version))},
    ${Columns.text(rows.map(({ stepId }) => stepId))}, ${Columns.text(rows.map(({ runId }) => runId))},
    ${Columns.time(rows.map(({ producedAt }) => producedAt))}, ${Columns.text(rows.map(({ missing }) => missing))},
    ${Columns.time(rows.map(({ missingSince }) => missingSince))},
    ${Columns.text(rows.map(({ position }) => position))})
    AS asset (asset_key, partition_key, asset_id, generation, generations, workflow, version, step_id, run_id,
      produced_at, missing, missing_since, position)
  ON CONFLICT (asset_key, partition_key) DO UPDATE SET
    asset_id = excluded.asset_id, generation = excluded.generation, generations = excluded.generations,
    workflow = excluded.workflow, version = excluded.version, step_id = excluded.step_id, run_id = excluded.run_id,
    produced_at = excluded.produced_at, missing = excluded.missing, missing_since = excluded.missing_since,
    position = excluded.position`
