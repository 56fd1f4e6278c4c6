import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { streamName } from "../../src/domain/ProjectionSteering.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import type * as Server from "../../src/http/Server.ts"
import { ProjectionControl } from "../../src/http/ProjectionControl.ts"
import { type Projection, unknownType } from "../../src/projections/Projection.ts"
import { ProjectionRunner } from "../../src/projections/ProjectionRunner.ts"
import { write } from "../audit/logs.ts"
import { until } from "../support/engine.ts"
import { database, TestServer } from "../support/postgres.ts"
import * as Fakes from "./Fakes.ts"
import { send, server } from "./Harness.ts"

/** Counts events of `a` streams, and stops at a `Poison`. */
const counts = {
  name: "counts_v1",
  categories: ["a"],
  tables: ["counts_v1"],
  make: () => ({
    forget: () => {},
    handle: Effect.fnUntraced(function* (events) {
      const sql = yield* SqlClient.SqlClient
      for (const event of events) {
        if (event.type === "Poison") return yield* unknownType(event)
        yield* sql`INSERT INTO counts_v1 VALUES (1)`
      }
    })
  })
} satisfies Projection

/** A real server in front of fakes, but for read models, which are real ones in a database. */
const served = Effect.fnUntraced(function* (
  body: Effect.Effect<void, unknown, SqlClient.SqlClient | EventStore | Server.Listening>
) {
  const real = yield* Layer.build(Layer.fresh(Layer.provideMerge(PgEventStore.layer, database)))
  const control = ProjectionControl.layer.pipe(Layer.provideMerge(ProjectionRunner.layer([counts])))
  const behind = Layer.merge(
    Fakes.layer(Fakes.makeState()),
    Layer.orDie(Layer.provide(control, Layer.succeedContext(real)))
  )
  const setUp = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE counts_v1 (n int NOT NULL)`
    const events = ["Added", "Poison", "Added"].map((type) => ({ type, payload: "{}" }))
    yield* write({ streamName: "a-1", events })
  })
  yield* Effect.provideContext(setUp, real)
  yield* Effect.provide(Effect.provideContext(body, real), server(Fakes.makeState(), behind))
}, Effect.scoped)

type Problem = Readonly<Record<string, unknown>>
const path = "/api/v1/admin/projections/counts_v1/skip"
const skip = (body: object, key?: string, to = path) =>
  send("POST", to, { body: JSON.stringify(body), headers: key === undefined ? {} : { "idempotency-key": key } })
const handled = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return (yield* sql<{ n: number }>`SELECT count(*)::int AS n FROM counts_v1`)[0]!.n
})

layer(TestServer.layer, { timeout: 120_000, excludeTestServices: true })(
  "POST /admin/projections/{name}/skip",
  (it) => {
    it.effect(
      "goes on without the event at which the read model stopped; anything else is 409 with where it stands",
      () =>
        served(
          Effect.gen(function* () {
            const log = yield* EventStore
            const [first, poison, last] = yield* log.read("a-1", 0)
            const reason = "written by hand"
            // Another event than the one it stopped at, asked until it has stopped.
            const elsewhere = yield* until(
              skip({ position: last!.position, reason }),
              ({ json }) => String(json.currentStatus).startsWith("parked"),
              "a read model that stopped"
            )
            assert.strictEqual(elsewhere.status, 409)
            assert.strictEqual(elsewhere.headers.get("content-type"), "application/problem+json")
            assert.deepInclude(elsewhere.json as Problem, {
              ...{ code: "illegal_transition", command: "skip", currentStatus: `parked before ${poison!.position}` }
            })
            assert.strictEqual((yield* skip({ position: first!.position, reason })).status, 409)
            const unknown = yield* skip(
              { position: poison!.position, reason },
              undefined,
              path.replace("counts", "nobody")
            )
            assert.deepStrictEqual([unknown.status, unknown.json.code], [404, "not_found"])
            assert.isBelow(yield* handled, 2)

            const done = yield* skip({ position: poison!.position, reason }, "k1")
            assert.strictEqual(done.status, 202, done.text)
            const { name, skipped } = done.json.data as {
              readonly name: string
              readonly skipped: ReadonlyArray<Problem>
            }
            assert.strictEqual(name, "counts_v1")
            assert.lengthOf(skipped, 1)
            assert.deepInclude(skipped[0]!, { position: poison!.position, reason, principal: "admin" })
            yield* until(handled, (count) => count === 2, "the events around it")

            const again = yield* skip({ position: poison!.position, reason }, "k1")
            assert.deepStrictEqual([again.status, again.json.position], [202, done.json.position])
            const reused = yield* skip({ position: poison!.position, reason: "another" }, "k1")
            assert.deepStrictEqual([reused.status, reused.json.code], [422, "idempotency_key_reused"])
            const over = yield* skip({ position: poison!.position, reason })
            assert.strictEqual(over.status, 409)
            assert.deepInclude(over.json as Problem, { command: "skip", currentStatus: "running" })

            const told = yield* log.read(streamName("counts_v1"), 0)
            assert.deepStrictEqual(
              told.map(({ metadata, position, type }) => [type, position, metadata.principal]),
              [["ProjectionEventSkipped", done.json.position, "admin"]]
            )
            assert.deepInclude(JSON.parse(told[0]!.payload), { position: poison!.position, reason })
          })
        )
    )
  }
)
