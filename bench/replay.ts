import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Definitions } from "../src/actors/Definitions.ts"
import { Engine } from "../src/actors/Engine.ts"
import * as RunActor from "../src/actors/RunActor.ts"
import { evolve, initial, type State } from "../src/domain/run/RunState.ts"
import { EventStore, type Position } from "../src/eventstore/EventStore.ts"
import { ProjectionRunner } from "../src/projections/ProjectionRunner.ts"
import { RunList } from "../src/projections/RunList.ts"
import { layer, temporaryFolder } from "./engine.ts"
import { defineTrivial, trivial } from "./trivial.ts"

const pageMax = 5_000

/** Reads the whole log and folds every run from its events; then rebuilds the run list beside the live one. */
export const measure = (options: { readonly runs: number }) =>
  Effect.scoped(
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const body = Effect.gen(function* () {
        const engine = yield* Engine
        const log = yield* EventStore
        const definitions = yield* Definitions
        const sql = yield* SqlClient.SqlClient
        const projections = yield* ProjectionRunner
        yield* defineTrivial
        yield* Effect.forEach(
          Array.from({ length: options.runs }, (_, index) => index),
          () => engine.runToEnd({ workflow: "bench" }),
          { concurrency: 200, discard: true }
        )
        yield* Effect.orDie(projections.waitFor(yield* log.head, { timeoutMs: 60_000 }))

        const fold = Effect.gen(function* () {
          const states = new Map<string, State>()
          let after: Position | null = null
          let events = 0
          while (true) {
            const page: Effect.Success<ReturnType<typeof log.readAll>> = yield* log.readAll({
              after,
              limit: pageMax,
              category: "run"
            })
            for (const recorded of page.events) {
              const state = states.get(recorded.streamName) ?? initial
              states.set(recorded.streamName, evolve(state, RunActor.decode(definitions, recorded)))
            }
            events += page.events.length
            if (page.events.length < pageMax) return { events, states }
            after = page.next
          }
        })
        // What the driver alone takes for the same rows.
        const rows = Effect.gen(function* () {
          let after = 0n
          let count = 0
          while (true) {
            const page: ReadonlyArray<{ readonly position: bigint }> = yield* sql<{ readonly position: bigint }>`
              SELECT global_position AS position, type, payload::text AS payload, stream_version, recorded_at_ms
              FROM events WHERE global_position > ${after} ORDER BY global_position LIMIT ${pageMax}`
            count += page.length
            if (page.length < pageMax) return count
            after = page[page.length - 1]!.position
          }
        })
        const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
          Effect.gen(function* () {
            const begun = performance.now()
            const value = yield* effect
            return { value, seconds: (performance.now() - begun) / 1_000 }
          })
        // As autovacuum does within a minute; this database is seconds old.
        yield* sql`ANALYZE`
        yield* fold
        const folded = yield* timed(fold)
        const ended = [...folded.value.states.values()].filter((state) => state.ended === "succeeded").length
        if (ended !== options.runs) return yield* Effect.die(new Error(`folded ${ended} of ${options.runs} runs`))
        const driver = yield* timed(rows)
        const rebuilt = yield* timed(projections.rebuild(RunList.name))
        return {
          events: folded.value.events,
          foldedPerSecond: folded.value.events / folded.seconds,
          driverRowsPerSecond: driver.value / driver.seconds,
          rebuiltPerSecond: rebuilt.value.events / rebuilt.seconds
        }
      })
      return yield* Effect.provide(body, layer(dataDir, { jobs: [trivial] }))
    })
  )
