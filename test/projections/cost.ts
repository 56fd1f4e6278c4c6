/**
 * What the projections cost: `node test/projections/cost.ts`. Drives the real event store with runs of three steps (4
 * appends, 8 events), 200 in flight at 1,200 a second, without and with all projections, and prints the differences a
 * run: Node's CPU, bytes of write-ahead log (without full-page images), commits. Then rebuilds the run list.
 */
import { Clock, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as HashChain from "../../src/eventstore/HashChain.ts"
import { EventStore, type NewEvent } from "../../src/eventstore/EventStore.ts"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import * as Embedded from "../../src/postgres/Embedded.ts"
import * as Migrations from "../../src/postgres/Migrations.ts"
import { allProjections } from "../../src/projections/AllProjections.ts"
import { ProjectionRunner } from "../../src/projections/ProjectionRunner.ts"
import { clientOf, temporaryFolder } from "../support/postgres.ts"

const inFlight = 200
const runsPerSecond = 1_200
const seconds = Number(process.argv[2] ?? 10)
const runs = runsPerSecond * seconds
const pauseMs = ((inFlight / runsPerSecond) * 1_000) / 4

const definition = {
  steps: ["a", "b", "c"].map((id, index, ids) => ({ id, dependsOn: index === 0 ? [] : [ids[index - 1]!] }))
}

type Fact = readonly [type: string, data: object]
const appends = (runId: string): ReadonlyArray<ReadonlyArray<Fact>> => {
  const requested = { runId, workflow: "orders", version: 1, parameters: {}, trigger: { type: "manual" } }
  const started = (stepId: string): Fact => ["StepStarted", { stepId, attempt: 1 }]
  const succeeded = (stepId: string): Fact => ["StepSucceeded", { stepId, attempt: 1, result: { rows: 3 } }]
  return [
    [["RunRequested", requested], started("a")],
    [succeeded("a"), started("b")],
    [succeeded("b"), started("c")],
    [succeeded("c"), ["RunSucceeded", {}]]
  ]
}

const write = Effect.fnUntraced(function* (streamName: string, groups: ReadonlyArray<ReadonlyArray<Fact>>) {
  const store = yield* EventStore
  let version = 0
  let hash = HashChain.genesis
  for (const facts of groups) {
    const recordedAt = yield* Clock.currentTimeMillis
    const events = facts.map(([type, data]): NewEvent => {
      const payload = JSON.stringify(data)
      hash = HashChain.link(hash, {
        streamVersion: ++version,
        type,
        schemaVersion: 1,
        recordedAt,
        payload,
        metadata: ""
      })
      return { type, schemaVersion: 1, payload, metadata: {}, recordedAt, hash }
    })
    const [first, ...rest] = events
    const expectedVersion = version - events.length
    yield* store.append({ streamName, expectedVersion, events: [first!, ...rest], wakeAt: null, waitsOn: null })
    yield* Effect.sleep(pauseMs)
  }
})

const measured = Effect.fnUntraced(function* (label: string) {
  const sql = yield* SqlClient.SqlClient
  const wal = Effect.gen(function* () {
    yield* Effect.sleep("1500 millis")
    // By session: the log has a connection of its own, and the pool's do nothing else here.
    const rows = yield* sql<{ name: string; bytes: number; records: number }>`
      SELECT a.application_name AS name, sum(w.wal_bytes)::float8 AS bytes, sum(w.wal_records)::float8 AS records
      FROM pg_stat_activity a, pg_stat_get_backend_wal(a.pid) w WHERE a.backend_type = 'client backend' GROUP BY 1`
    return rows
  })
  const before = yield* wal
  const cpu = process.cpuUsage()
  const began = yield* Clock.currentTimeMillis
  let next = 0
  yield* Effect.all(
    Array.from({ length: inFlight }, () =>
      Effect.gen(function* () {
        while (next < runs) {
          const id = `${label}${String(next++).padStart(20, "0")}`
          yield* write(`run-${id}`, appends(id))
        }
      })
    ),
    { concurrency: "unbounded" }
  )
  const tookMs = (yield* Clock.currentTimeMillis) - began
  yield* Effect.sleep("700 millis")
  const used = process.cpuUsage(cpu)
  const after = yield* wal
  const perRun = after.map(({ bytes, name, records }) => {
    const earlier = before.find((row) => row.name === name)
    return {
      session: name,
      bytes: Math.round((bytes - (earlier?.bytes ?? 0)) / runs),
      records: ((records - (earlier?.records ?? 0)) / runs).toFixed(1)
    }
  })
  return {
    runsPerSecond: Math.round((runs * 1_000) / tookMs),
    cpuMicros: Math.round((used.user + used.system) / runs),
    wal: perRun
  }
})

const main = Effect.gen(function* () {
  yield* write("workflow-orders", [[["WorkflowDefined", { slug: "orders", version: 1, definition, origin: "app" }]]])
  yield* measured("warm")
  const without = yield* measured("without")
  const runner = ProjectionRunner.layer(allProjections)
  yield* Effect.gen(function* () {
    const store = yield* EventStore
    const projections = yield* ProjectionRunner
    yield* projections.waitFor(yield* store.head, { timeoutMs: 120_000 })
    const withThem = yield* measured("with")
    console.log(JSON.stringify({ without, withThem }, null, 1))
    yield* projections.waitFor(yield* store.head)
    for (const name of ["run_list_v1", "notifications_v2"]) {
      const cpu = process.cpuUsage()
      const began = yield* Clock.currentTimeMillis
      const { events } = yield* projections.rebuild(name)
      const tookMs = (yield* Clock.currentTimeMillis) - began
      const used = process.cpuUsage(cpu)
      const micros = ((used.user + used.system) / events).toFixed(1)
      const rate = Math.round((events * 1_000) / tookMs)
      console.log(`rebuild ${name}: ${events} events in ${tookMs} ms: ${rate}/s, ${micros} µs CPU an event`)
    }
    const sql = yield* SqlClient.SqlClient
    console.log(
      yield* sql`SELECT relname, pg_relation_size(oid)::float8 / 1024 AS kib FROM pg_class
        WHERE relname LIKE 'run_list%' ORDER BY relname`
    )
  }).pipe(Effect.provide(runner))
})

const program = Effect.scoped(
  Effect.gen(function* () {
    const dataDir = yield* temporaryFolder
    const server = yield* Embedded.start({ dataDir, settings: { full_page_writes: "off" } })
    const client = clientOf(server, server.database)
    yield* main.pipe(
      Effect.provide(
        PgEventStore.layer.pipe(Layer.provideMerge(Layer.effectDiscard(Migrations.run())), Layer.provideMerge(client))
      )
    )
  })
)

await Effect.runPromise(program)
