import { PgClient, PgConnection } from "@effect/sql-pg"
import { Effect, Layer } from "effect"
import * as AppendStatement from "../src/eventstore/AppendStatement.ts"
import type { Append } from "../src/eventstore/EventStore.ts"
import * as HashChain from "../src/eventstore/HashChain.ts"
import * as Database from "../src/postgres/Database.ts"
import * as Migrations from "../src/postgres/Migrations.ts"
import { temporaryFolder } from "./engine.ts"
import { percentile } from "./measure.ts"

const types = ["RunRequested", "StepSucceeded", "StepSucceeded", "RunSucceeded"]

/**
 * The floor: a bare loop without any engine that group-commits four events a run into the same tables by the same
 * statement, with the same durability: no decisions, no actors, no activities, no read models. A run is four commits
 * one after the other; `inFlight` runs share each.
 */
export const measure = (options: { readonly count: number; readonly inFlight: number }) =>
  Effect.scoped(
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const { count, inFlight } = options
      const body = Effect.gen(function* () {
        const { config } = yield* PgClient.PgClient
        const connection = yield* PgConnection.make(config)

        const appendOf = (name: string, version: number): Append => {
          const type = types[version - 1]!
          const recordedAt = Math.trunc(performance.now())
          const payload = JSON.stringify({ stepId: "a", attempt: version, result: { ok: true } })
          const event = { type, schemaVersion: 1, payload, recordedAt }
          const hash = HashChain.link(HashChain.genesis, { ...event, streamVersion: version, metadata: "" })
          const wakeAt = version === types.length ? null : 30_000
          return {
            streamName: name,
            expectedVersion: version - 1,
            events: [{ ...event, metadata: {}, hash }],
            wakeAt,
            waitsOn: null
          }
        }
        const wave = Effect.fnUntraced(function* (first: number, size: number) {
          const names = Array.from({ length: size }, (_, index) => `floor-${String(first + index).padStart(12, "0")}`)
          for (let version = 1; version <= types.length; version++) {
            const appends = names.map((name) => appendOf(name, version)).sort(AppendStatement.lockOrder)
            yield* connection.queryValues(AppendStatement.statement, AppendStatement.parameters(appends))
          }
        })
        yield* wave(1_000_000, inFlight)
        const latencies: Array<number> = []
        const begun = performance.now()
        for (let done = 0; done < count; done += inFlight) {
          const waveBegun = performance.now()
          yield* wave(done, inFlight)
          latencies.push(performance.now() - waveBegun)
        }
        const seconds = (performance.now() - begun) / 1_000
        return {
          inFlight,
          runsPerSecond: count / seconds,
          p50Ms: percentile(latencies, 0.5),
          p99Ms: percentile(latencies, 0.99)
        }
      })
      const database = Layer.provideMerge(Migrations.layer, Database.layer({ kind: "embedded", dataDir }))
      return yield* Effect.scoped(Effect.provide(body, database))
    })
  )
