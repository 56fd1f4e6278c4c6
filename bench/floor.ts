import { PgTypes } from "@effect/sql-pg"
import { Effect, Result } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "../src/postgres/Database.ts"
import { temporaryFolder } from "./engine.ts"
import { percentile } from "./measure.ts"

const eventsPerRun = 4
const array = (values: ReadonlyArray<unknown>, oid: number) => Result.getOrThrow(PgTypes.array(values, oid))

/**
 * The floor: a bare loop without any engine that group-commits four event rows a run, in one statement a batch, on the
 * same server with the same durability. A run is four commits one after the other; `inFlight` runs share each.
 */
export const measure = (options: { readonly count: number; readonly inFlight: number }) =>
  Effect.scoped(
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const body = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`
          CREATE TABLE floor_events (
            global_position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            stream_name text NOT NULL,
            stream_version integer NOT NULL,
            type text NOT NULL,
            recorded_at timestamptz NOT NULL DEFAULT now(),
            payload json NOT NULL,
            UNIQUE (stream_name, stream_version)
          )`
        const payload = JSON.stringify({ stepId: "a", attempt: 1, result: { ok: true } })
        const append = (names: ReadonlyArray<string>, version: number) => sql`
          INSERT INTO floor_events (stream_name, stream_version, type, payload)
          SELECT n, ${version}, 'StepSucceeded', ${payload}::json
          FROM unnest(${array(names, PgTypes.OID.text)}::text[]) n`
        const wave = Effect.fnUntraced(function* (first: number, size: number) {
          const names = Array.from({ length: size }, (_, index) => `floor-${first + index}`)
          for (let version = 1; version <= eventsPerRun; version++) yield* append(names, version)
        })
        const { count, inFlight } = options
        yield* wave(-inFlight, inFlight)
        const latencies: Array<number> = []
        const begun = performance.now()
        for (let done = 0; done < count; done += inFlight) {
          const waveBegun = performance.now()
          yield* wave(done, inFlight)
          latencies.push(performance.now() - waveBegun)
        }
        const seconds = (performance.now() - begun) / 1_000
        return { inFlight, runsPerSecond: count / seconds, p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) }
      })
      return yield* Effect.provide(body, Database.layer({ kind: "embedded", dataDir }))
    })
  )
