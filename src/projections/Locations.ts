import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Stored } from "../domain/Asset.ts"
import * as Id from "../domain/Id.ts"
import * as Columns from "./Columns.ts"
import { type Handler, type LogEvent, type Projection, unknownType } from "./Projection.ts"

/**
 * Which asset owns the file of a store and key: the asset whose step wrote the bytes last. One that only lists the file
 * owns it as long as nobody is known to have written it. This is how a raw 404 finds its producer.
 */
export const Locations: Projection = {
  name: "asset_locations_v1",
  categories: ["asset"],
  tables: ["asset_locations_v1", "asset_locations_v1_current"],
  make: () => handler
}

type Produced = Extract<Stored, { readonly _tag: "AssetProduced" }>

interface Row {
  readonly store: string
  readonly key: string
  readonly assetId: string
  readonly assetKey: string
  readonly partitionKey: string
  readonly generation: number
  readonly sha256: string
  readonly bytes: number
  readonly etag: string
  readonly written: boolean
  readonly producedAt: number
  readonly position: string
}

interface Current {
  readonly assetKey: string
  readonly partitionKey: string
  readonly generation: number
  readonly producedAt: number
}

const place = (store: string, key: string): string => `${store}\n${key}`
const partition = (assetKey: string, partitionKey: string): string => `${assetKey}\n${partitionKey}`

/** The owner after a production lists a file that had an owner. */
const successor = (owner: Row | undefined, listed: Row): Row => {
  if (owner === undefined || listed.written || !owner.written) return listed
  const isSame = owner.assetKey === listed.assetKey && owner.partitionKey === listed.partitionKey
  return isSame ? { ...listed, written: true } : owner
}

const handler: Handler = {
  handle: Effect.fnUntraced(function* (events: ReadonlyArray<LogEvent>) {
    const sql = yield* SqlClient.SqlClient
    const productions = events.filter(isProduction)
    if (productions.length === 0) return
    const listed = productions.flatMap(rowsOf)

    const owners = new Map((yield* readOwners(sql, listed)).map((row) => [place(row.store, row.key), row]))
    const changed = new Map<string, Row>()
    for (const row of listed) {
      const where = place(row.store, row.key)
      const owner = changed.get(where) ?? owners.get(where)
      const next = successor(owner, row)
      if (next !== owner) changed.set(where, next)
    }
    if (changed.size > 0) yield* writeOwners(sql, [...changed.values()])
    yield* writeCurrent(sql, newest(productions))
  }),
  // Nothing is kept between batches.
  forget: () => {}
}

const isProduction = (event: LogEvent): boolean => {
  switch (event.type as Stored["_tag"]) {
    case "AssetProduced":
      return true
    case "AssetMissingDetected":
    case "AssetVerified":
    case "AssetExpired":
    case "AssetMarkedStale":
    case "AssetStaleCleared":
      return false
  }
  // Reached by a type that the compiler does not know.
  throw unknownType(event)
}

const rowsOf = (event: LogEvent): ReadonlyArray<Row> => {
  const { assetId, generation, partitionKey, parts, producedAt } = event.data<Produced>()
  const assetKey = Id.assetKey(assetId)
  const { position } = event.recorded
  return parts.map(({ bytes, etag, key, sha256, store, written }) => ({
    ...{ store, key, assetId, assetKey, partitionKey, generation, sha256, bytes, etag, written, producedAt, position }
  }))
}

/** Of each asset partition in the batch, the generation that is newest by `producedAt`, then by arrival. */
const newest = (productions: ReadonlyArray<LogEvent>): ReadonlyArray<Current> => {
  const found = new Map<string, Current>()
  for (const event of productions) {
    const { assetId, generation, partitionKey, producedAt } = event.data<Produced>()
    const assetKey = Id.assetKey(assetId)
    const before = found.get(partition(assetKey, partitionKey))
    if (before !== undefined && before.producedAt > producedAt) continue
    found.set(partition(assetKey, partitionKey), { assetKey, partitionKey, generation, producedAt })
  }
  return [...found.values()]
}

const readOwners = (sql: SqlClient.SqlClient, rows: ReadonlyArray<Row>) => sql<Row>`
  SELECT store, key, asset_id AS "assetId", asset_key AS "assetKey", partition_key AS "partitionKey", generation,
    sha256, bytes::float8 AS bytes, etag, written, (extract(epoch FROM produced_at) * 1000)::float8 AS "producedAt", position
  FROM asset_locations_v1
  WHERE (store, key) IN (
    SELECT listed.store, listed.key
    FROM unnest(${Columns.text(rows.map(({ store }) => store))}, ${Columns.text(rows.map(({ key }) => key))})
      AS listed (store, key))`

const writeOwners = (sql: SqlClient.SqlClient, rows: ReadonlyArray<Row>) => sql`
  INSERT INTO asset_locations_v1
    (store, key, asset_id, asset_key, partition_key, generation, sha256, bytes, etag, written, produced_at, position)
  SELECT store, key, asset_id, asset_key, partition_key, generation, sha256, bytes, etag, written, produced_at, position
  FROM unnest(
    ${Columns.text(rows.map(({ store }) => store))}, ${Columns.text(rows.map(({ key }) => key))},
    ${Columns.text(rows.map(({ assetId }) => assetId))}, ${Columns.text(rows.map(({ assetKey }) => assetKey))},
    ${Columns.text(rows.map(({ partitionKey }) => partitionKey))},
    ${Columns.int4(rows.map(({ generation }) => generation))}, ${Columns.text(rows.map(({ sha256 }) => sha256))},
    ${Columns.int8(rows.map(({ bytes }) => bytes))}, ${Columns.text(rows.map(({ etag }) => etag))},
    ${Columns.bool(rows.map(({ written }) => written))}, ${Columns.time(rows.map(({ producedAt }) => producedAt))},
    ${Columns.text(rows.map(({ position }) => position))})
    AS listed (store, key, asset_id, asset_key, partition_key, generation, sha256, bytes, etag, written, produced_at,
      position)
  ON CONFLICT (store, key) DO UPDATE SET
    asset_id = excluded.asset_id, asset_key = excluded.asset_key, partition_key = excluded.partition_key,
    generation = excluded.generation, sha256 = excluded.sha256, bytes = excluded.bytes, etag = excluded.etag,
    written = excluded.written, produced_at = excluded.produced_at, position = excluded.position`

const writeCurrent = (sql: SqlClient.SqlClient, rows: ReadonlyArray<Current>) => sql`
  INSERT INTO asset_locations_v1_current AS current (asset_key, partition_key, generation, produced_at)
  SELECT asset_key, partition_key, generation, produced_at
  FROM unnest(
    ${Columns.text(rows.map(({ assetKey }) => assetKey))},
    ${Columns.text(rows.map(({ partitionKey }) => partitionKey))},
    ${Columns.int4(rows.map(({ generation }) => generation))},
    ${Columns.time(rows.map(({ producedAt }) => producedAt))})
    AS produced (asset_key, partition_key, generation, produced_at)
  ON CONFLICT (asset_key, partition_key) DO UPDATE
    SET generation = excluded.generation, produced_at = excluded.produced_at
    -- A production that arrives late does not become the current one.
    WHERE excluded.produced_at >= current.produced_at`
