import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { scan } from "../../src/cli/ChainScan.ts"
import * as RootCheck from "../../src/cli/RootCheck.ts"
import { streamName } from "../../src/domain/LogRoot.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as HashChain from "../../src/eventstore/HashChain.ts"
import * as LogRoots from "../../src/eventstore/LogRoots.ts"
import { verifierOf } from "../../src/eventstore/Signature.ts"
import { TestServer } from "../support/postgres.ts"
import { history, keys, newLog, signer, write } from "./logs.ts"

const pair = keys()
const ours = signer(pair.privatePem)
const key = verifierOf(pair.publicPem)!

/** A log with a signed root, and something appended since. */
const signedLog = Effect.gen(function* () {
  const log = yield* newLog
  yield* log(history)
  const root = yield* log(LogRoots.sign(ours))
  yield* log(write({ streamName: "run-a" }))
  yield* log(write({ streamName: "run-later" }))
  return { log, root: root! }
})

const edit = (...statements: ReadonlyArray<string>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.forEach(statements, (text) => sql.unsafe(text)))
const ofStream = (name: string) => `stream_id = (SELECT stream_id FROM streams WHERE stream_name = '${name}')`

layer(TestServer.layer, { timeout: 120_000, excludeTestServices: true })("a signed root", (it) => {
  it.effect("holds for the log as it was, whatever is appended, and is not signed again when nothing was", () =>
    Effect.gen(function* () {
      const { log, root } = yield* signedLog
      assert.strictEqual(root.treeSize, 3)
      const report = yield* log(RootCheck.check(key))
      assert.deepInclude(report, {
        status: "holds",
        position: root.position,
        treeSize: 3,
        signedBy: "key",
        problem: null
      })
      assert.deepInclude(yield* log(RootCheck.check(null)), { status: "holds", signedBy: "unchecked" })

      const next = yield* log(LogRoots.sign(ours))
      // The four streams, and the one of the roots.
      assert.strictEqual(next!.treeSize, 5)
      assert.isNull(yield* log(LogRoots.sign(ours)))
      assert.deepInclude(yield* log(RootCheck.check(key)), { status: "holds", treeSize: 5 })
      const roots = yield* log(Effect.flatMap(EventStore, (store) => store.read(streamName, 0)))
      assert.isNull(HashChain.verify(roots))
      assert.deepStrictEqual((yield* log(scan)).broken, [])
    })
  )

  it.effect("of a log with more events than a page has one leaf a stream, as the log itself has", () =>
    Effect.gen(function* () {
      const log = yield* newLog
      for (let stream = 0; stream < 30; stream++) {
        yield* log(write({ streamName: `run-${stream}`, events: Array.from({ length: 400 }, () => ({})) }))
      }
      yield* log(LogRoots.sign(ours))
      const leaves = yield* log(
        Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql<{ wrong: number; leaves: number }>`
            SELECT count(*)::int AS leaves, count(*) FILTER (WHERE h.stream_version <> 400)::int AS wrong
            FROM signed_heads h`
        )
      )
      assert.deepStrictEqual(leaves, [{ leaves: 30, wrong: 0 }])
      assert.strictEqual((yield* log(RootCheck.check(key))).status, "holds")
    })
  )

  it.effect("finds what a hash chain cannot: a stream that was edited, cut off or taken away with care", () =>
    Effect.gen(function* () {
      const edited = HashChain.link(HashChain.genesis, {
        ...{ streamVersion: 1, type: "Happened", schemaVersion: 1, recordedAt: 1, payload: '{"nth":2}', metadata: "" }
      })
      const forgeries: ReadonlyArray<readonly [stream: string, version: number, ReadonlyArray<string>]> = [
        [
          "Asset-B",
          1,
          [`UPDATE events SET payload = '{"nth":2}', hash = decode('${edited}', 'hex') WHERE ${ofStream("Asset-B")}`]
        ],
        [
          "odd-ü",
          2,
          [
            `DELETE FROM events WHERE stream_version = 2 AND ${ofStream("odd-ü")}`,
            "UPDATE streams SET stream_version = 1 WHERE stream_name = 'odd-ü'"
          ]
        ],
        [
          "odd-ü",
          2,
          [`DELETE FROM events WHERE ${ofStream("odd-ü")}`, "DELETE FROM streams WHERE stream_name = 'odd-ü'"]
        ]
      ]
      for (const [stream, version, statements] of forgeries) {
        const { log, root } = yield* signedLog
        const events = yield* log(Effect.flatMap(EventStore, (store) => store.read(stream, version - 1)))
        yield* log(edit(...statements))
        assert.deepStrictEqual((yield* log(scan)).broken, [], "the chains still hold")
        const report = yield* log(RootCheck.check(key))
        assert.strictEqual(report.status, "broken")
        assert.include(report.problem, `the log up to ${root.position} is not what was signed`)
        assert.deepStrictEqual(report.changed, [{ stream, version, position: events[0]!.position }])
        // Who changes the leaves too is not named, and found all the same.
        yield* log(edit("DELETE FROM signed_heads"))
        assert.deepInclude(yield* log(RootCheck.check(key)), { status: "broken", changed: [] })
      }
    })
  )

  it.effect("is not believed with another signature, another key, or when it is gone", () =>
    Effect.gen(function* () {
      const { log } = yield* signedLog
      const other = verifierOf(keys().publicPem)!
      assert.match(
        (yield* log(RootCheck.check(other))).problem!,
        new RegExp(`signed with key ${key.keyId}, and the given`)
      )
      const forge = (field: string, value: string) =>
        edit(`UPDATE events SET payload = jsonb_set(payload::jsonb, '{${field}}', '"${value}"')::json
          WHERE ${ofStream(streamName)}`)
      yield* log(forge("root", "0".repeat(64)))
      assert.match((yield* log(RootCheck.check(null))).problem!, /does not have a signature of the key that it names/)
      yield* log(edit(`DELETE FROM events WHERE ${ofStream(streamName)}`))
      assert.deepInclude(yield* log(RootCheck.check(null)), { status: "none" })
      assert.deepInclude(yield* log(RootCheck.check(key)), { status: "broken", problem: "the log has no signed root" })
    })
  )
})
