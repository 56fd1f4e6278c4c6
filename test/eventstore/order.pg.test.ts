import { PgClient, PgConnection } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import * as AppendStatement from "../../src/eventstore/AppendStatement.ts"
import { EventStore, type Page, type Position } from "../../src/eventstore/EventStore.ts"
import * as LogPosition from "../../src/eventstore/LogPosition.ts"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import * as SafeHorizon from "../../src/eventstore/SafeHorizon.ts"
import * as Verification from "../../src/eventstore/Verification.ts"
import { appendOf, lastHash } from "../support/appends.ts"
import { database, TestServer } from "../support/postgres.ts"

const fresh = Layer.provideMerge(PgEventStore.layer, database)

const names = ({ events }: { readonly events: ReadonlyArray<{ readonly streamName: string }> }) =>
  events.map(({ streamName }) => streamName)

layer(TestServer.layer, { excludeTestServices: true })("the order of the log", (it) => {
  const check = (
    name: string,
    test: Effect.Effect<void, unknown, EventStore | PgClient.PgClient | SqlClient.SqlClient | Scope.Scope>
  ) => it.effect(name, () => Effect.scoped(Effect.provide(test, fresh)))

  check(
    "an event that commits late is not skipped: later ones wait for it, and both are read in order (T36)",
    Effect.gen(function* () {
      const store = yield* EventStore
      const { config } = yield* PgClient.PgClient
      const slow = yield* PgConnection.make(config)
      yield* store.append(appendOf({ streamName: "run-before" }))
      yield* slow.query("BEGIN")
      yield* slow.queryValues(
        AppendStatement.statement,
        AppendStatement.parameters([appendOf({ streamName: "run-slow" })])
      )
      const fast = yield* store.append(appendOf({ streamName: "run-fast" }))

      const first = yield* store.readAll({ after: null, limit: 10 })
      assert.deepStrictEqual(names(first), ["run-before"])
      assert.deepStrictEqual(names(yield* store.readAll({ after: null, limit: 10, types: ["Happened"] })), [
        "run-before"
      ])
      assert.strictEqual((yield* store.readAll({ after: first.next, limit: 10, types: ["Never"] })).next, first.next)
      assert.strictEqual(yield* store.head, fast.position)
      assert.strictEqual((yield* SafeHorizon.oldestHolder)?.pid, slow.processId)

      yield* slow.query("COMMIT")
      const second = yield* store.readAll({ after: first.next, limit: 10 })
      assert.deepStrictEqual(names(second), ["run-slow", "run-fast"])
      assert.strictEqual(second.next, fast.position)
    })
  )

  check(
    "who only writes what is derived from the log holds nobody back, and is not named as who does",
    Effect.gen(function* () {
      const store = yield* EventStore
      const { config } = yield* PgClient.PgClient
      const reader = yield* PgConnection.make(config)
      yield* reader.query("CREATE TABLE derived (nth int)")
      yield* reader.query("BEGIN")
      yield* reader.query(`SELECT ${SafeHorizon.standAside}`)
      yield* reader.query("INSERT INTO derived VALUES (1)")
      yield* store.append(appendOf({ streamName: "run-1" }))
      assert.deepStrictEqual(names(yield* store.readAll({ after: null, limit: 10 })), ["run-1"])
      assert.deepStrictEqual(names(yield* store.readAll({ after: null, limit: 10, types: ["Happened"] })), ["run-1"])
      assert.strictEqual(yield* SafeHorizon.oldestHolder, null)
      yield* reader.query("COMMIT")

      // The same session is a writer like any other as soon as that transaction has ended.
      yield* reader.query("BEGIN")
      yield* reader.query("INSERT INTO derived VALUES (2)")
      yield* store.append(appendOf({ streamName: "run-2" }))
      assert.deepStrictEqual(names(yield* store.readAll({ after: null, limit: 10 })), ["run-1"])
      assert.strictEqual((yield* SafeHorizon.oldestHolder)?.pid, reader.processId)
      yield* reader.query("COMMIT")
      assert.deepStrictEqual(names(yield* store.readAll({ after: null, limit: 10 })), ["run-1", "run-2"])
    })
  )

  check(
    "readers skip no event while transactions that hold nobody back come and go (T36)",
    Effect.gen(function* () {
      const store = yield* EventStore
      const { config } = yield* PgClient.PgClient
      const count = 1_500
      const writes = Array.from({ length: count }, (_, nth) => `run-${nth}`)
      const deriving = Effect.gen(function* () {
        const session = yield* PgConnection.make(config)
        yield* session.query("CREATE TEMPORARY TABLE derived (nth int)")
        while (true) {
          yield* session.query("BEGIN")
          yield* session.query(`SELECT ${SafeHorizon.standAside}`)
          yield* session.query("INSERT INTO derived VALUES (1)")
          yield* session.query("COMMIT")
        }
      })
      const read = Effect.fnUntraced(function* (types?: ReadonlyArray<string>) {
        const seen: Array<string> = []
        let after: Position | null = null
        while (seen.length < count) {
          const page: Page = yield* store.readAll({ after, limit: 10_000, ...(types && { types }) })
          seen.push(...names(page))
          after = page.next
        }
        return seen
      })
      for (let nth = 0; nth < 3; nth++) yield* Effect.forkScoped(deriving)
      const readers = yield* Effect.all([Effect.forkScoped(read()), Effect.forkScoped(read(["Happened"]))])
      // Every other event is wanted by nobody who filters, so that pages without any are passed over.
      for (const streamName of writes) {
        yield* store.append(appendOf({ streamName }))
        yield* store.append(appendOf({ streamName: `other-${streamName}`, events: [{ type: "Ignored" }] }))
      }
      const [all, wanted] = yield* Effect.all(readers.map(Fiber.join)).pipe(Effect.timeout("20 seconds"))
      assert.deepStrictEqual(wanted, writes)
      assert.strictEqual(new Set(all).size, all!.length)
    })
  )

  check(
    "a log restored on a server that is behind begins a new epoch: old events are visible, new ones come after them",
    Effect.gen(function* () {
      const { config } = yield* PgClient.PgClient
      const sql = yield* SqlClient.SqlClient
      const store = yield* EventStore
      const first = appendOf({ streamName: "run-old", events: [{}, {}] })
      yield* store.append(first)
      yield* store.append(appendOf({ streamName: "run-older" }))
      // As a dump from a busier server leaves it: transaction ids that this server has not given out yet.
      yield* sql`UPDATE events SET transaction_id = (transaction_id::text::bigint + 5000000)::text::xid8`
      assert.deepStrictEqual(names(yield* store.readAll({ after: null, limit: 10 })), [])

      const restored = yield* Layer.build(Layer.fresh(PgEventStore.layer.pipe(Layer.provide(PgClient.layer(config)))))
      yield* Effect.gen(function* () {
        const store = yield* EventStore
        const old = yield* store.readAll({ after: null, limit: 10 })
        assert.deepStrictEqual(names(old), ["run-old", "run-old", "run-older"])
        const before = yield* store.head
        const appended = yield* store.append(
          appendOf({ streamName: "run-old", expectedVersion: 2, after: lastHash(first) })
        )
        assert.isAbove(LogPosition.parts(appended.position).epoch, LogPosition.parts(before).epoch)
        assert.deepStrictEqual(names(yield* store.readAll({ after: old.next, limit: 10 })), ["run-old"])
        assert.strictEqual(yield* store.head, appended.position)
        assert.deepStrictEqual(yield* Verification.chains, { events: 4, streams: 2, breaks: [] })
      }).pipe(Effect.provide(restored))

      yield* Layer.build(Layer.fresh(PgEventStore.layer.pipe(Layer.provide(PgClient.layer(config)))))
      const epochs = yield* sql`SELECT epoch FROM log_epoch`
      assert.deepStrictEqual(epochs, [{ epoch: 2 }], "a second start must not raise it again")
    })
  )

  check(
    "positions sort as text in the order of epoch, transaction and number",
    Effect.sync(() => {
      const ordered = [
        LogPosition.start,
        LogPosition.of(1, "9", 10n),
        LogPosition.of(1, "10", 2n),
        LogPosition.of(1, "10", 16n),
        LogPosition.of(1, "18446744073709551615", 1n),
        LogPosition.of(2, "3", 1n),
        LogPosition.of(16, "3", 1n)
      ]
      assert.deepStrictEqual([...ordered].sort(), ordered)
      assert.deepStrictEqual(LogPosition.parts(ordered[4]!), {
        epoch: 1,
        transactionId: "18446744073709551615",
        globalPosition: "1"
      })
    })
  )

  check(
    "planted damage is found and named: a changed payload, a deleted event, a deleted end",
    Effect.gen(function* () {
      const store = yield* EventStore
      const sql = yield* SqlClient.SqlClient
      for (const id of ["right", "edited", "gap", "end"]) {
        yield* store.append(appendOf({ streamName: `run-${id}`, events: [{}, {}, {}], wakeAt: 1 }))
      }
      const damage = (id: string, version: number) =>
        sql`stream_version = ${version} AND stream_id = (SELECT stream_id FROM streams WHERE stream_name = ${`run-${id}`})`
      yield* sql`UPDATE events SET payload = '{"nth":7}' WHERE ${damage("edited", 2)}`
      yield* sql`DELETE FROM events WHERE ${damage("gap", 2)}`
      yield* sql`DELETE FROM events WHERE ${damage("end", 3)}`
      const report = yield* Verification.chains
      assert.deepStrictEqual(
        report.breaks.map(({ problem, streamName, streamVersion }) => `${streamName} ${streamVersion} ${problem}`),
        ["run-edited 2 hash", "run-gap 3 gap"]
      )
      assert.deepStrictEqual(yield* Verification.wrongEnds, [
        { streamName: "run-end", streamVersion: 3, lastEventVersion: 2 }
      ])
    })
  )
})
