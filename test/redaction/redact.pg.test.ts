import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { hash } from "node:crypto"
import * as ChainScan from "../../src/cli/ChainScan.ts"
import * as Redactable from "../../src/domain/Redactable.ts"
import * as Redaction from "../../src/domain/Redaction.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import * as StreamAppend from "../../src/eventstore/StreamAppend.ts"
import { allProjections } from "../../src/projections/AllProjections.ts"
import * as Comparison from "../../src/projections/Comparison.ts"
import { ProjectionRunner } from "../../src/projections/ProjectionRunner.ts"
import { type NotRedactable, Redactions } from "../../src/projections/Redactions.ts"
import { exported, imported, newLog, write } from "../audit/logs.ts"
import { database, TestServer } from "../support/postgres.ts"

const canary = "canary-7f3a9"
const requested = {
  ...{ runId: "a", workflow: "orders", version: 1, trigger: { type: "manual" } },
  parameters: { password: canary, day: "2024-01-01" }
}
/** A run whose parameters and failure hold what should not be there. */
const leak = write({
  streamName: "run-a",
  events: [
    { type: "RunRequested", payload: JSON.stringify(requested) },
    { type: "StepStarted", payload: JSON.stringify({ stepId: "load", attempt: 1 }) },
    {
      type: "RunFailed",
      payload: JSON.stringify({
        stepId: "load",
        failure: { class: "permanent", code: "denied", message: `no access for ${canary}` }
      })
    }
  ]
})
const asked = { stream: "run-a", version: 1, pointers: ["/parameters/password"], reason: "a password" }
const by = { principal: "token:dana" }

const running = <A, E, R>(body: Effect.Effect<A, E, R>) =>
  Effect.provide(
    body,
    Redactions.layer(allProjections).pipe(Layer.provideMerge(ProjectionRunner.layer(allProjections)), Layer.fresh)
  ).pipe(Effect.scoped)
const inFreshLog = <A, E>(body: Effect.Effect<A, E, EventStore | SqlClient.SqlClient>) =>
  Effect.provide(body, Layer.fresh(Layer.provideMerge(PgEventStore.layer, database))).pipe(Effect.scoped)
const redact = (target: typeof asked) => Effect.flatMap(Redactions, (service) => service.redact(target, by))
const refusal = (target: typeof asked) =>
  Effect.map(Effect.flip(redact(target)), (error) => {
    const { kind, message, path } = error as NotRedactable
    return `${kind} ${path}: ${message}`
  })

/** Every row of every table, as text. */
const everything = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql<{ readonly name: string }>`
    SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`
  const texts: Array<string> = []
  for (const { name } of tables) {
    const rows = yield* sql.unsafe<{ readonly text: string }>(`SELECT t::text AS text FROM ${name} AS t`)
    texts.push(...rows.map(({ text }) => text))
  }
  return texts.join("\n")
})
const history = Effect.flatMap(EventStore, (log) => log.read("redaction-run-a", 0))
const erased = history.pipe(
  Effect.filterOrFail((events) => events.at(-1)?.type === "PayloadErased"),
  Effect.retry({ schedule: Schedule.spaced("30 millis"), times: 400 })
)
const level = Effect.gen(function* () {
  yield* (yield* ProjectionRunner).waitFor(yield* (yield* EventStore).head, { timeoutMs: 20_000 })
})

layer(TestServer.layer, { timeout: 120_000, excludeTestServices: true })("kintsugi redact", (it) => {
  it.effect("takes values out of every table; the chain holds and says how many, and the log says who and why", () =>
    inFreshLog(
      Effect.gen(function* () {
        yield* leak
        yield* running(
          Effect.gen(function* () {
            yield* level
            assert.include(yield* everything, canary)
            const told = yield* redact(asked)
            assert.strictEqual(told.payloadHash, hash("sha256", JSON.stringify(requested)))
            yield* redact({ ...asked, version: 3, pointers: ["/failure/message"] })
            yield* Effect.retry(
              Effect.filterOrFail(everything, (text) => !text.includes(canary)),
              { schedule: Schedule.spaced("50 millis"), times: 300 }
            )
            yield* erased
            yield* level
          })
        )
        const scanned = yield* ChainScan.scan
        assert.deepStrictEqual([scanned.brokenStreams, scanned.redacted], [0, 2])
        const [first] = yield* history
        assert.strictEqual(first!.metadata.principal, by.principal)
        assert.strictEqual(JSON.parse(first!.payload).reason, "a password")
        const [event] = yield* (yield* EventStore).read("run-a", 0, 1)
        assert.deepStrictEqual(JSON.parse(event!.payload).parameters, {
          ...{ password: Redactable.mark, day: "2024-01-01" }
        })
        for (const projection of allProjections) {
          assert.strictEqual((yield* Comparison.compare(projection)).status, "equal", projection.name)
        }
      })
    )
  )

  it.effect("a redacted log is exported, imported and verified as any other", () =>
    Effect.gen(function* () {
      const from = yield* newLog
      const to = yield* newLog
      const text = yield* from(
        Effect.gen(function* () {
          yield* leak
          yield* running(Effect.andThen(redact(asked), erased))
          return (yield* exported()).text
        })
      )
      assert.notInclude(text.split("RunFailed")[0]!, canary)
      yield* to(imported(text))
      const scanned = yield* to(ChainScan.scan)
      assert.deepStrictEqual([scanned.brokenStreams, scanned.redacted], [0, 1])
    }).pipe(Effect.scoped)
  )

  it.effect("a payload that was changed after its redaction, or redacted without a word, is found", () =>
    inFreshLog(
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* leak
        yield* running(Effect.andThen(redact(asked), erased))
        yield* sql`UPDATE events SET payload = '{"forged":1}' WHERE type = 'RunRequested'`
        assert.strictEqual((yield* ChainScan.scan).brokenStreams, 1)
        yield* sql`UPDATE events SET payload_sha256 = sha256(payload::text::bytea), payload = '{}'
          WHERE type = 'StepStarted'`
        const { broken } = yield* ChainScan.scan
        assert.match(broken[0]!.problem, /the log does not say so/)
      })
    )
  )

  it.effect("what was announced and cut off is finished at the next start, once", () =>
    inFreshLog(
      Effect.gen(function* () {
        yield* leak
        const log = yield* EventStore
        const payload = JSON.stringify(requested)
        const { pointers, reason, stream, version } = asked
        const redacted = payload.replace(canary, Redactable.mark)
        const hashes = { payloadHash: hash("sha256", payload), redactedHash: hash("sha256", redacted) }
        const told = { stream, version, type: "RunRequested", pointers, reason, ...hashes }
        const announced = { type: "PayloadRedacted", schemaVersion: 1, payload: JSON.stringify(told) }
        yield* StreamAppend.append(log, Redaction.streamName(stream), announced, by)
        // Between the two the chain holds, and nothing counts as redacted.
        const before = yield* ChainScan.scan
        assert.deepStrictEqual([before.brokenStreams, before.redacted], [0, 0])
        yield* running(erased)
        yield* running(level)
        const after = yield* ChainScan.scan
        assert.deepStrictEqual([after.brokenStreams, after.redacted], [0, 1])
        assert.deepStrictEqual(
          (yield* history).map(({ type }) => type),
          ["PayloadRedacted", "PayloadErased"]
        )
      })
    )
  )

  it.effect("refuses what a fold needs, what is not there, and what is still at work; again, it changes nothing", () =>
    inFreshLog(
      Effect.gen(function* () {
        yield* leak
        yield* write({
          streamName: "run-b",
          events: [{ type: "RunRequested", payload: JSON.stringify(requested) }],
          wakeAt: 5
        })
        yield* write({ streamName: "limit-x", events: [{ type: "SlotGranted", payload: "{}" }] })
        yield* running(
          Effect.gen(function* () {
            const at = (...pointers: ReadonlyArray<string>) => refusal({ ...asked, pointers: [...pointers] })
            assert.match(yield* at("/workflow"), /^refused pointers\/0: RunRequested of a run cannot be redacted/)
            assert.match(yield* at("/parameters"), /^refused pointers\/0: a RunRequested needs what is at/)
            assert.match(
              yield* at("/parameters/day", "/parameters/no"),
              /^refused pointers\/1: the payload has nothing/
            )
            assert.match(yield* refusal({ ...asked, version: 9 }), /^missing version: run-a\/9$/)
            assert.match(yield* refusal({ ...asked, stream: "run-no" }), /^missing version/)
            assert.match(yield* refusal({ ...asked, stream: "run-b" }), /^busy stream: run-b still has work/)
            assert.match(yield* refusal({ ...asked, stream: "limit-x" }), /nothing of it can be$/)
            assert.lengthOf(yield* history, 0)
            yield* redact(asked)
            yield* erased
            yield* redact(asked)
            assert.lengthOf(yield* history, 2)
          })
        )
      })
    )
  )
})
