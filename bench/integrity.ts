import { lstat, mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import { Engine } from "../src/actors/Engine.ts"
import { Integrity } from "../src/actors/Integrity.ts"
import { etagOf } from "../src/capabilities/FolderFiles.ts"
import * as Columns from "../src/projections/Columns.ts"
import { layer, temporaryFolder } from "./engine.ts"
import { cpuUs, percentile } from "./measure.ts"
import { defineTrivial, trivial } from "./trivial.ts"

const perFolder = 1_000
const statsAtOnce = 16
const runsInFlight = 200

const keyOf = (index: number) => `assets/${Math.floor(index / perFolder)}/${index}.txt`

/** So many files in the folder store, and what the read model says of them. */
const seed = Effect.fnUntraced(function* (dataDir: string, count: number) {
  const sql = yield* SqlClient.SqlClient
  const root = join(dataDir, "lake")
  const indexes = Array.from({ length: count }, (_, index) => index)
  const etags: Array<string> = []
  yield* Effect.promise(async () => {
    for (let folder = 0; folder * perFolder < count; folder++) {
      await mkdir(join(root, "assets", String(folder)), { recursive: true })
    }
    for (let from = 0; from < count; from += perFolder) {
      const files = indexes.slice(from, from + perFolder).map((index) => join(root, keyOf(index)))
      await Promise.all(files.map((file) => writeFile(file, "content")))
      for (const stats of await Promise.all(files.map((file) => lstat(file, { bigint: true })))) {
        etags.push(etagOf(stats))
      }
    }
  })
  for (let from = 0; from < count; from += perFolder) {
    const page = indexes.slice(from, from + perFolder)
    const names = page.map((index) => `asset-${String(index).padStart(7, "0")}`)
    const parts = page.map((index) => JSON.stringify([["lake", keyOf(index), 7, etags[index], "", true]]))
    yield* sql`
      INSERT INTO integrity_inventory_v1 (asset_key, partition_id, asset_id, partition_key, generation,
        content_generation, workflow, source, produced_at, recorded_at, parts, part_count, inputs, is_missing)
      SELECT name, '', name, '', 1, 1, '', 'bench', now(), now(), parts::json, 1, '[]', false
      FROM unnest(${Columns.text(names)}, ${Columns.text(parts)}) AS made (name, parts)`
  }
  yield* sql`ANALYZE integrity_inventory_v1`
})

/** The floor: the system's own answer about each file, as many at once as a check asks for. */
const bareStats = (dataDir: string, count: number) =>
  Effect.promise(async () => {
    const begun = performance.now()
    let next = 0
    const worker = async () => {
      while (next < count) await lstat(join(dataDir, "lake", keyOf(next++)), { bigint: true })
    }
    await Promise.all(Array.from({ length: statsAtOnce }, worker))
    return count / ((performance.now() - begun) / 1_000)
  })

/** A check of everything; assets a second by the log's own times, and the most memory that was in use meanwhile. */
const scanned = Effect.gen(function* () {
  const integrity = yield* Integrity
  globalThis.gc?.()
  const heapBefore = process.memoryUsage().heapUsed
  let heapMost = heapBefore
  const before = (yield* integrity.findings).integrity.generation
  const cpuBefore = cpuUs()
  yield* integrity.check({})
  while ((yield* integrity.findings).integrity.generation === before) {
    heapMost = Math.max(heapMost, process.memoryUsage().heapUsed)
    yield* Effect.sleep("20 millis")
  }
  const { findings, integrity: done } = yield* integrity.findings
  if (findings.length > 0) return yield* Effect.die(new Error(`${findings.length} findings: ${findings[0]!.reason}`))
  const { endedAt, looked, startedAt } = done.last!
  return {
    perSecond: looked / ((Date.parse(endedAt!) - Date.parse(startedAt)) / 1_000),
    heapMiB: (heapMost - heapBefore) / 1024 ** 2,
    cpuUsPerAsset: (cpuUs() - cpuBefore) / looked
  }
})

/** Runs until `count` have ended; how many a second. */
const driven = Effect.fnUntraced(function* (count: number) {
  const engine = yield* Engine
  const begun = performance.now()
  yield* Effect.forEach(Array.from({ length: count }), () => engine.runToEnd({ workflow: "bench" }), {
    ...{ concurrency: runsInFlight, discard: true }
  })
  return count / ((performance.now() - begun) / 1_000)
})

const options = { isAutomatic: false, toleranceMs: 0 }

/** A light check against the folder store as fast as it can, beside the bare calls of the same run. */
const speed = (count: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const body = Effect.gen(function* () {
        yield* seed(dataDir, count)
        const bare = yield* bareStats(dataDir, count)
        // The first one fills caches and plans.
        yield* scanned
        return { bare, ...(yield* scanned) }
      })
      const integrity = { ...options, assetsPerSecond: 1_000_000 }
      return yield* Effect.provide(body, layer(dataDir, { jobs: [], integrity }))
    })
  )

/** Runs with and without a check at its default rate beside them, by turns. */
const slowDown = (count: number, runs: number, rounds: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const body = Effect.gen(function* () {
        yield* defineTrivial
        yield* seed(dataDir, count)
        yield* driven(2_000)
        const integrity = yield* Integrity
        const alone: Array<number> = []
        const beside: Array<number> = []
        for (let round = 0; round < rounds; round++) {
          alone.push(yield* driven(runs))
          const begun = yield* Effect.forkChild(integrity.check({}))
          yield* Fiber.join(begun)
          while ((yield* integrity.findings).integrity.running === null) yield* Effect.sleep("5 millis")
          beside.push(yield* driven(runs))
          const { running } = (yield* integrity.findings).integrity
          if (running === null) return yield* Effect.die(new Error("the check ended before the runs did"))
          while ((yield* integrity.findings).integrity.running !== null) yield* Effect.sleep("50 millis")
        }
        const [alonePerSecond, besidePerSecond] = [percentile(alone, 0.5), percentile(beside, 0.5)]
        return { alonePerSecond, besidePerSecond, slowerPercent: 100 * (1 - besidePerSecond / alonePerSecond) }
      })
      return yield* Effect.provide(body, layer(dataDir, { jobs: [trivial], integrity: options }))
    })
  )

/** How fast assets are checked, and what that costs the runs. */
export const measure = (given: { readonly quick: boolean }) =>
  Effect.gen(function* () {
    const assets = given.quick ? 20_000 : 100_000
    const fast = yield* speed(assets)
    const slower = yield* slowDown(given.quick ? 4_000 : 8_000, given.quick ? 3_000 : 6_000, given.quick ? 3 : 5)
    return { assets, ...fast, ...slower }
  })
