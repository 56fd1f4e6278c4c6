import { Effect, Layer, Result } from "effect"
import { SqlClient } from "effect/sql"
import { Definitions } from "../src/actors/Definitions.ts"
import { KnownPartitions } from "../src/actors/KnownPartitions.ts"
import { LineageGraph } from "../src/actors/LineageGraph.ts"
import * as Database from "../src/cli/Database.ts"
import { type Definition, parseDefinition } from "../src/domain/Definition.ts"
import { Inventory } from "../src/http/Inventory.ts"
import * as InventoryLive from "../src/http/InventoryLive.ts"
import { lineageOf } from "../src/http/LineageView.ts"
import { temporaryFolder } from "./engine.ts"
import { percentile } from "./measure.ts"

const assetsCount = 10_000
const layerAssets = 100
const inputsEach = 3
const partitions = 100_000
const rounds = 100
const pageSize = 50

const timed = Effect.fnUntraced(function* <A, E, R>(round: (index: number) => Effect.Effect<A, E, R>, count = rounds) {
  const times: Array<number> = []
  // The first ones fill caches and plans, as they do in a server that runs.
  for (let index = -Math.ceil(count / 10); index < count; index++) {
    const begun = performance.now()
    yield* round(index)
    if (index >= 0) times.push(performance.now() - begun)
  }
  return { p50Ms: percentile(times, 0.5), p99Ms: percentile(times, 0.99) }
})

/** A hundred layers of a hundred assets, each made by a workflow of its own from three of the layer before. */
const definitionOf = (index: number): Definition => {
  const layer = Math.floor(index / layerAssets)
  const place = index % layerAssets
  const inputs = Array.from({ length: layer === 0 ? 0 : inputsEach }, (_, nth) => ({
    assetId: `asset-${(layer - 1) * layerAssets + ((place * inputsEach + nth) % layerAssets)}`
  }))
  const step = { id: "make", jobSlug: "make", consumes: inputs, produces: [{ assetId: `asset-${index}` }] }
  return Result.getOrThrow(parseDefinition({ slug: `make-${index}`, steps: [step] }))
}

/** Rows as the projection writes them, in bulk. */
const seed = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const insert = sql.literal(`INSERT INTO asset_list_v2 (asset_key, partition_id, asset_id, partition_key, state,
    generation, generations, workflow, version, step_id, run_id, produced_at, first_produced_at, first_position,
    restored, inputs, position)`)
  yield* sql`${insert}
    SELECT 'asset-' || n, '', 'asset-' || n, '', 'materialized', 1, 1, 'make-' || n, 1, 'make', 'run-' || n, now(),
      now(), lpad(n::text, 20, '0'), false,
      (SELECT coalesce(json_agg(json_build_array('asset-' || ((n / 100 - 1) * 100 + ((n % 100) * 3 + i) % 100), '', 1)), '[]')
        FROM generate_series(0, 2) AS i WHERE n >= 100), lpad(n::text, 20, '0')
    FROM generate_series(0, ${assetsCount - 1}::int) AS n`
  yield* sql`${insert}
    SELECT 'minutes', 'p' || lpad(n::text, 6, '0'), 'minutes', 'p' || lpad(n::text, 6, '0'), 'materialized', 1, 1,
      'minutes', 1, 'make', 'run-' || n, now(), now(), lpad(n::text, 20, '0'), false, '[]', lpad(n::text, 20, '0')
    FROM generate_series(0, ${partitions - 1}::int) AS n`
  yield* sql`
    INSERT INTO asset_list_v2_totals (asset_key, asset_id, materialized, missing, stale, expired, not_materialized,
      produced_at)
    SELECT asset_key, min(asset_id), count(*)::int, 0, 0, 0, 0, max(produced_at) FROM asset_list_v2 GROUP BY asset_key`
  yield* sql`
    INSERT INTO run_list_v1_ended (created_at, finished_at, version, id, workflow, status, partition_key, trigger)
    SELECT now(), now(), 1, 'run-' || n, 'minutes', 'succeeded', 'p' || lpad(n::text, 6, '0'), '{"type":"manual"}'
    FROM generate_series(0, ${partitions - 1}::int) AS n`
  for (const table of ["asset_list_v2", "asset_list_v2_totals", "run_list_v1_ended"]) yield* sql`ANALYZE ${sql(table)}`
})

const body = Effect.gen(function* () {
  yield* seed
  const sql = yield* SqlClient.SqlClient
  const definitions = yield* Definitions
  const lineage = yield* LineageGraph
  const inventory = yield* Inventory
  for (let index = 0; index < assetsCount; index++) {
    const definition = definitionOf(index)
    definitions.put({ slug: definition.slug, version: 1, origin: "app", json: {}, definition, definedAt: 0 })
  }
  const begun = performance.now()
  yield* lineage.current
  const graphMs = performance.now() - begun

  let nodes = 0
  const middle = (index: number) =>
    `asset-${(50 + (Math.abs(index) % 10)) * layerAssets + (Math.abs(index) % layerAssets)}`
  const walked = yield* timed((index) =>
    Effect.map(
      lineageOf(lineage, inventory, {
        ...{ assetId: middle(index), partitionKey: undefined, direction: "both", depth: 5, minPosition: undefined }
      }),
      (answer) => {
        nodes = answer.nodes.length
      }
    )
  )
  const whole = yield* timed(
    () =>
      lineageOf(lineage, inventory, {
        ...{ assetId: undefined, partitionKey: undefined, direction: "both", depth: 5, minPosition: undefined }
      }),
    10
  )
  // The floor: what the driver takes to read as many rows by their key, without joins, states or a graph.
  const keyed = yield* timed(
    (index) => sql`SELECT asset_key, state, generation FROM asset_list_v2
      WHERE asset_key >= ${middle(index)} ORDER BY asset_key LIMIT ${nodes}`
  )

  const keys = Array.from({ length: 10_000 }, (_, index) => `p${String(index * 10).padStart(6, "0")}`)
  const pages = yield* Effect.forEach(
    [
      { type: "dynamic" as const },
      { type: "static" as const, keys },
      {
        type: "timeWindow" as const,
        granularity: "minute" as const,
        timezone: "Europe/Berlin",
        lookbackWindows: 100_000
      }
    ],
    (partitioning) =>
      Effect.gen(function* () {
        let cursor: string | undefined
        const asset = { workflow: "minutes", assetId: "minutes", partitioning }
        const first = performance.now()
        yield* inventory.partitions(asset, { limit: pageSize })
        const firstMs = performance.now() - first
        const page = yield* timed(() =>
          Effect.map(
            inventory.partitions(asset, { limit: pageSize, ...(cursor === undefined ? {} : { cursor }) }),
            (answer) => {
              cursor = answer.nextCursor ?? undefined
            }
          )
        )
        return { partitioning: partitioning.type, firstMs, ...page }
      })
  )
  const pageFloor = yield* timed(
    () => sql`SELECT partition_key, state, generation FROM asset_list_v2
      WHERE asset_key = 'minutes' AND partition_id > 'p050000' ORDER BY partition_id LIMIT ${pageSize}`
  )
  return { graphMs, nodes, walked, whole, keyed, pages, pageFloor }
})

/** Lineage of 10,000 assets, and pages of an asset with 100,000 partitions, on the read models in Postgres. */
export const measure = () =>
  Effect.scoped(
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const layer = InventoryLive.layer.pipe(
        Layer.provideMerge(LineageGraph.layer),
        Layer.provideMerge(KnownPartitions.layer),
        Layer.provideMerge(Definitions.layer),
        Layer.provideMerge(Database.layer({ kind: "embedded", dataDir }))
      )
      return yield* Effect.scoped(Effect.provide(body, layer))
    })
  )
