import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { EventStore, type RecordedEvent } from "../../src/eventstore/EventStore.ts"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import { appendOf } from "../support/appends.ts"
import { database, TestServer } from "../support/postgres.ts"

const fresh = Layer.provideMerge(PgEventStore.layer, database)

/** So many events of a busy category, ten a stream: more than one statement looks at. */
const crowd = Effect.fnUntraced(function* (events: number, name: string) {
  const sql = yield* SqlClient.SqlClient
  const [from] = yield* sql<{ readonly stream: bigint; readonly position: bigint }>`
    SELECT nextval('stream_ids') + 1000 AS stream, nextval('global_positions') + 1000 AS position`
  const { position, stream } = from!
  yield* sql`
    INSERT INTO streams (stream_id, stream_name, stream_version)
    SELECT ${stream}::bigint + n, ${name}::text || n, 10 FROM generate_series(0, ${events / 10 - 1}::int) n`
  yield* sql`
    INSERT INTO events (transaction_id, global_position, stream_id, recorded_at_ms, epoch, stream_version,
      schema_version, type, hash, payload)
    SELECT pg_current_xact_id(), ${position}::bigint + n, ${stream}::bigint + n / 10, 0, 1, n % 10 + 1, 1, 'Common',
      ''::bytea, '{}' FROM generate_series(0, ${events - 1}::int) n`
  yield* sql`SELECT setval('stream_ids', ${stream}::bigint + ${events}::bigint),
    setval('global_positions', ${position}::bigint + ${2 * events}::bigint)`
  // As autovacuum does within a minute.
  yield* sql`ANALYZE events`
  yield* sql`ANALYZE streams`
})

const told = (events: ReadonlyArray<RecordedEvent>) => events.map(({ streamName, type }) => `${streamName} ${type}`)

layer(TestServer.layer, { excludeTestServices: true })("a filter on a log that is longer than a piece of it", (it) => {
  it.effect("finds each event once and in order, by a rare category, a rare type, both, and a common category", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      const rare = (streamName: string, type: string) => {
        const append = appendOf({ streamName })
        return store.append({ ...append, events: [{ ...append.events[0], type }] })
      }
      yield* rare("workflow-a", "Rare")
      yield* crowd(60_000, "run-a")
      yield* rare("run-x", "Rare")
      yield* rare("workflow-b", "Other")
      yield* crowd(60_000, "run-b")
      const last = yield* rare("workflow-c", "Rare")

      const read = (filter: { readonly category?: string; readonly types?: ReadonlyArray<string> }, limit = 10) =>
        store.readAll({ after: null, limit, ...filter })
      const whole = yield* read({ category: "workflow" })
      assert.deepStrictEqual(told(whole.events), ["workflow-a Rare", "workflow-b Other", "workflow-c Rare"])
      assert.strictEqual(whole.next, last.position)
      const both = yield* read({ category: "workflow", types: ["Rare"] })
      assert.deepStrictEqual(told(both.events), ["workflow-a Rare", "workflow-c Rare"])
      const types = yield* read({ types: ["Rare"] })
      assert.deepStrictEqual(told(types.events), ["workflow-a Rare", "run-x Rare", "workflow-c Rare"])
      assert.strictEqual(types.next, last.position)
      assert.deepStrictEqual(told((yield* read({ category: "run", types: ["Rare"] })).events), ["run-x Rare"])

      // A page that is full ends where its last event is, and the next one goes on there.
      const first = yield* read({ types: ["Rare"] }, 2)
      assert.strictEqual(first.next, first.events[1]!.position)
      const second = yield* store.readAll({ after: first.next, limit: 2, types: ["Rare"] })
      assert.deepStrictEqual(told(second.events), ["workflow-c Rare"])

      // Nothing has it: the whole way need not be looked at again.
      assert.deepStrictEqual(yield* read({ category: "token" }), { events: [], next: last.position })
      assert.deepStrictEqual(yield* read({ types: ["Never"] }), { events: [], next: last.position })

      let after: typeof last.position | null = null
      let count = 0
      while (true) {
        const page: typeof whole = yield* store.readAll({ after, limit: 10_000, category: "run" })
        count += page.events.length
        after = page.next
        if (page.events.length === 0) break
      }
      assert.strictEqual(count, 120_001)
    }).pipe(Effect.provide(fresh), Effect.scoped)
  )
})
