import { hash } from "node:crypto"
import { Clock, Duration, Effect, Layer, Schedule } from "effect"
import * as AssetActor from "../src/actors/AssetActor.ts"
import { Engine } from "../src/actors/Engine.ts"
import type * as Asset from "../src/domain/Asset.ts"
import * as Id from "../src/domain/Id.ts"
import { EventStore, type Position } from "../src/eventstore/EventStore.ts"
import * as HashChain from "../src/eventstore/HashChain.ts"
import * as PgEventStore from "../src/eventstore/PgEventStore.ts"
import * as Database from "../src/postgres/Database.ts"
import * as Migrations from "../src/postgres/Migrations.ts"
import { layer, temporaryFolder } from "./engine.ts"
import { percentile } from "./measure.ts"

const perSecond = 1_000

const production = (assetId: string, producedAt: number, ttlMs: number): Asset.Event => ({
  ...{ _tag: "AssetProduced", assetId, partitionKey: "", generation: 1 },
  ...{ workflow: "w", version: 1, stepId: "s", runId: Id.ofParts(assetId), attempt: 1 },
  ...{ parameters: {}, inputs: [], reads: [], parts: [], payload: hash("md5", assetId) },
  ...{ producedAt, restored: false, contentChanged: true, freshness: { ttlMs }, at: producedAt }
})

/** One stream an asset, written as its actor would have; `dueAt` says when each is no longer fresh. */
const seed = Effect.fnUntraced(function* (name: string, count: number, dueAt: (index: number) => number) {
  const log = yield* EventStore
  const now = yield* Clock.currentTimeMillis
  yield* Effect.forEach(
    Array.from({ length: count }, (_, index) => index),
    (index) => {
      const assetId = `${name}.${index}`
      const event = production(assetId, now, dueAt(index) - now)
      const encoded = { ...AssetActor.assetCodec.encode(event), recordedAt: now }
      const own = HashChain.link(HashChain.genesis, { ...encoded, streamVersion: 1, metadata: "" })
      return log.append({
        streamName: `asset-${Id.asset(assetId, "")}`,
        expectedVersion: 0,
        events: [{ ...encoded, metadata: {}, hash: own }],
        wakeAt: dueAt(index),
        waitsOn: null
      })
    },
    { concurrency: 2_000, discard: true }
  )
})

/** How late each timer fired, ms after its time. */
const lateness = Effect.gen(function* () {
  const log = yield* EventStore
  const found: Array<number> = []
  let after: Position | null = null
  while (true) {
    const page: Effect.Success<ReturnType<typeof log.readAll>> = yield* log.readAll({
      ...{ after, limit: 10_000, types: ["AssetExpired"] }
    })
    for (const { payload, recordedAt } of page.events) {
      found.push(recordedAt - (JSON.parse(payload) as { readonly expiresAt: number }).expiresAt)
    }
    if (page.events.length === 0) return found
    after = page.next
  }
})

/** `pending` timers far ahead, and `due` that come due at 1,000 a second: how many are in memory, and how late they fire. */
export const measure = (options: { readonly pending: number; readonly due: number }) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { due, pending } = options
      const dataDir = yield* temporaryFolder
      const log = PgEventStore.layer.pipe(
        Layer.provideMerge(Migrations.layer),
        Layer.provideMerge(Database.layer({ kind: "embedded", dataDir }))
      )
      const firstAt = yield* Effect.scoped(
        Effect.provide(
          Effect.gen(function* () {
            const far = (yield* Clock.currentTimeMillis) + 86_400_000
            yield* seed("far", pending, (index) => far + index)
            const first = (yield* Clock.currentTimeMillis) + 90_000 + due / 10
            yield* seed("near", due, (index) => first + Math.floor((index * 1_000) / perSecond))
            return first
          }),
          log
        )
      )
      const measured = Effect.gen(function* () {
        const engine = yield* Engine
        yield* Effect.sleep("2 seconds")
        const { residentActors } = yield* engine.gauges
        const waitMs = firstAt - (yield* Clock.currentTimeMillis)
        yield* Effect.sleep(Duration.millis(Math.max(0, waitMs) + (due * 1_000) / perSecond))
        const late = yield* Effect.repeat(lateness, {
          until: ({ length }) => length >= due,
          schedule: Schedule.spaced("500 millis")
        }).pipe(Effect.timeout("120 seconds"))
        return {
          pending,
          due,
          residentActors,
          p50Ms: percentile(late, 0.5),
          maxMs: Math.max(...late.slice(0, 100_000))
        }
      })
      const found = yield* Effect.provide(measured, layer(dataDir, { jobs: [] }))
      return {
        ...found,
        rows: [
          {
            ...{ figure: `actors in memory for ${pending.toLocaleString("en")} pending timers`, unit: "" },
            ...{ measured: found.residentActors, target: "= 0", isMet: found.residentActors === 0 }
          },
          {
            ...{
              figure: `timers at ${perSecond}/s: the latest of ${due.toLocaleString("en")} after its time`,
              unit: "ms"
            },
            ...{ measured: found.maxMs, target: "≤ 1000", isMet: found.maxMs <= 1_000 }
          }
        ]
      }
    })
  )
