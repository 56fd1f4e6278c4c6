import { hash } from "node:crypto"
import { Clock, Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as AssetActor from "../src/actors/AssetActor.ts"
import { partsOf } from "../src/actors/AssetHistory.ts"
import * as Cell from "../src/actors/Cell.ts"
import type * as Asset from "../src/domain/Asset.ts"
import * as Id from "../src/domain/Id.ts"
import * as EventRow from "../src/eventstore/EventRow.ts"
import { EventStore, type NewEvent } from "../src/eventstore/EventStore.ts"
import * as HashChain from "../src/eventstore/HashChain.ts"
import * as PgEventStore from "../src/eventstore/PgEventStore.ts"
import { Snapshots } from "../src/eventstore/Snapshots.ts"
import * as Database from "../src/postgres/Database.ts"
import * as Migrations from "../src/postgres/Migrations.ts"
import { temporaryFolder } from "./engine.ts"
import { cpuUs, percentile } from "./measure.ts"

const productionsDefault = 1_000_000
const appendEvents = 5_000
/** One event before the next snapshot would be due: the most that an activation reads. */
const tailEvents = 199
const rounds = 100

const production = (assetId: string, generation: number): Asset.Event => ({
  ...{ _tag: "AssetProduced", assetId, partitionKey: "", generation },
  ...{ workflow: "observatory", version: 3, stepId: "ingest", runId: Id.ofParts("run", generation), attempt: 1 },
  parameters: { minute: "2024-01-05T10:31" },
  inputs: [{ assetId: "observatory.inbox", partitionKey: "", generation }],
  reads: [],
  payload: { rows: 3_000 },
  parts: [
    {
      ...{ store: "lake", key: `minutes/${generation}.parquet`, bytes: 51_200, etag: "c800-18f3a" },
      ...{ sha256: hash("sha256", String(generation)), written: true }
    }
  ],
  ...{ producedAt: 1_700_000_000_000 + generation, restored: false, contentChanged: true },
  at: 1_700_000_000_000 + generation
})

const streamNameOf = (assetId: string) => `asset-${Id.asset(assetId, "")}`

/** Appends productions in bulk, as the codec and the hash chain would have written them one by one. */
const seed = Effect.fnUntraced(function* (assetId: string, productions: number) {
  const log = yield* EventStore
  const streamName = streamNameOf(assetId)
  let hash = HashChain.genesis
  for (let expectedVersion = 0; expectedVersion < productions; expectedVersion += appendEvents) {
    const count = Math.min(appendEvents, productions - expectedVersion)
    const events = Array.from({ length: count }, (_, index): NewEvent => {
      const streamVersion = expectedVersion + index + 1
      const event = production(assetId, streamVersion)
      const encoded = { ...AssetActor.assetCodec.encode(event), recordedAt: event.at }
      hash = HashChain.link(hash, { ...encoded, streamVersion, metadata: "" })
      return { ...encoded, metadata: {}, hash }
    })
    const [first, ...rest] = events
    yield* log.append({ streamName, expectedVersion, events: [first!, ...rest], wakeAt: null, waitsOn: null })
  }
})

/** An actor that is not in memory yet. */
const actorOf = Effect.fnUntraced(function* (assetId: string) {
  return Cell.make({
    behaviour: AssetActor.behaviour,
    actorId: Id.asset(assetId, ""),
    store: yield* EventStore,
    snapshots: yield* Snapshots,
    clock: yield* Clock.Clock,
    context: Context.empty(),
    owned: () => true,
    onIdle: () => {}
  })
})

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const begun = performance.now()
    const value = yield* effect
    return { value, ms: performance.now() - begun }
  })

/** From nothing in memory to the first answer; the actor writes what it owes and is gone again. */
const activate = Effect.fnUntraced(function* (assetId: string, generations: number) {
  const actor = yield* actorOf(assetId)
  const { ms, value } = yield* timed(actor.execute({ _tag: "Read" }, {}))
  if (value.state.generations !== generations) {
    return yield* Effect.die(new Error(`${assetId} has ${value.state.generations} generations, not ${generations}`))
  }
  yield* Effect.repeat(Effect.sleep(1), { until: () => actor.isIdle() })
  actor.close()
  return ms
})

/** Percentiles of what the effect answers, ms, and the CPU that Node took for one. */
const repeated = <E, R>(effect: Effect.Effect<number, E, R>) =>
  Effect.gen(function* () {
    // What runs first pays for compiling the code and preparing the statements.
    for (let nth = 0; nth < 20; nth++) yield* effect
    const cpuBefore = cpuUs()
    const all: Array<number> = []
    for (let nth = 0; nth < rounds; nth++) all.push(yield* effect)
    return { p50Ms: percentile(all, 0.5), p99Ms: percentile(all, 0.99), cpuUs: (cpuUs() - cpuBefore) / rounds }
  })

const produce = (assetId: string, nth: number): Asset.Unstamped => {
  const { _tag, at: _at, generation: _g, ...fields } = production(assetId, nth) as Asset.Event & Asset.Generation
  return { _tag: "Produce", ...fields, runId: Id.ofParts("later", nth) }
}

/** How long an asset's actor takes to come to memory, by what its stream holds, and what the driver alone takes. */
export const measure = (options: { readonly productions?: number } = {}) =>
  Effect.scoped(
    Effect.gen(function* () {
      const productions = options.productions ?? productionsDefault
      const dataDir = yield* temporaryFolder
      const body = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const log = yield* EventStore
        const seeded = yield* timed(seed("long", productions))
        for (const length of [64, tailEvents]) yield* seed(`of-${length}`, length)
        yield* sql`ANALYZE`

        const wholeMs = yield* activate("long", productions)
        const withoutTail = yield* repeated(activate("long", productions))

        const actor = yield* actorOf("long")
        for (let nth = 1; nth <= tailEvents; nth++) yield* actor.execute(produce("long", nth), {})
        actor.close()
        const withTail = yield* repeated(activate("long", productions + tailEvents))
        const of64 = yield* repeated(activate("of-64", 64))
        const of199 = yield* repeated(activate(`of-${tailEvents}`, tailEvents))

        // The same rows, by the driver alone: the first page, the snapshot, and what comes after it.
        const name = streamNameOf("long")
        const tail = `SELECT ${EventRow.columns} FROM events e
          WHERE e.stream_id = (SELECT s.stream_id FROM streams s WHERE s.stream_name = $1) AND e.stream_version > $2::int
          ORDER BY e.stream_version LIMIT $3::int`
        const driver = yield* repeated(
          Effect.gen(function* () {
            const begun = performance.now()
            yield* sql.unsafe(tail, [name, 0, 200]).values
            yield* sql.unsafe("SELECT s.stream_version, s.state FROM snapshots s WHERE s.stream_name = $1", [name])
              .values
            yield* sql.unsafe(tail, [name, productions - 1, 501]).values
            return performance.now() - begun
          })
        )

        // An asset that is produced again and again: by an actor that stays, and by one that leaves each time.
        const stays = yield* actorOf("long")
        yield* stays.execute({ _tag: "Read" }, {})
        let nth = tailEvents
        const staying = yield* repeated(
          Effect.map(timed(Effect.suspend(() => stays.execute(produce("long", ++nth), {}))), ({ ms }) => ms)
        )
        stays.close()
        const leaving = yield* repeated(
          Effect.gen(function* () {
            const fresh = yield* actorOf("long")
            const { ms } = yield* timed(fresh.execute(produce("long", ++nth), {}))
            yield* Effect.repeat(Effect.sleep(1), { until: () => fresh.isIdle() })
            fresh.close()
            return ms
          })
        )
        const found = yield* repeated(
          Effect.gen(function* () {
            const { ms, value } = yield* timed(partsOf(log, { assetId: "long", partitionKey: "" }, productions / 2))
            return value.length === 1 ? ms : yield* Effect.die(new Error("the generation was not found"))
          })
        )
        return {
          ...{ productions, seededMs: seeded.ms, wholeMs, withoutTail, withTail, of64, of199, driver },
          ...{ staying, leaving, found }
        }
      })
      const database = PgEventStore.layer.pipe(
        Layer.provideMerge(Migrations.layer),
        Layer.provideMerge(Database.layer({ kind: "embedded", dataDir }))
      )
      return yield* Effect.provide(body, database)
    })
  )
