import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as TokenDirectory from "../../src/actors/TokenDirectory.ts"
import { scan } from "../../src/cli/ChainScan.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import { verifierOf } from "../../src/eventstore/Signature.ts"
import { TestServer } from "../support/postgres.ts"
import { contents, exported, history, imported, keys, newLog, signer, write } from "./logs.ts"

const lines = (text: string) => text.trimEnd().split("\n")
const join = (parts: ReadonlyArray<string>) => `${parts.join("\n")}\n`

layer(TestServer.layer, { timeout: 120_000, excludeTestServices: true })("an exported log", (it) => {
  it.effect("comes back byte for byte with its positions, and what is appended then comes after all of it", () =>
    Effect.gen(function* () {
      const [source, target] = [yield* newLog, yield* newLog]
      yield* source(history)
      const { text, told } = yield* source(exported())
      assert.deepStrictEqual([told.events, told.streams], [6, 3])
      const found = yield* target(imported(text))
      assert.deepStrictEqual([found.events, found.streams, found.epoch], [6, 3, 2])
      assert.deepStrictEqual(yield* target(contents), yield* source(contents))
      assert.deepStrictEqual((yield* target(scan)).broken, [])

      const head = yield* target(Effect.flatMap(EventStore, (store) => store.head))
      assert.strictEqual(head, told.head)
      const { position } = yield* target(write({ streamName: "run-a" }))
      assert.isTrue(position > head, `${position} comes after ${head}`)
      const page = yield* target(Effect.flatMap(EventStore, (store) => store.readAll({ after: null, limit: 100 })))
      assert.strictEqual(page.events.at(-1)!.position, position)
    })
  )

  it.effect("lets in after the import who had an API token when it was exported, as docs/AUDIT.md says (F84)", () =>
    Effect.gen(function* () {
      const [source, target] = [yield* newLog, yield* newLog]
      const issued = TokenDirectory.encode({
        ...{ _tag: "TokenIssued", name: "ci", role: "operator", prefix: "ktg_x", hash: "h1", expiresAt: null },
        ...{ by: "admin", at: 0 }
      })
      yield* source(write({ streamName: "token-t1", events: [issued] }))
      const { text } = yield* source(exported())
      const revoked = TokenDirectory.encode({ _tag: "TokenRevoked", reason: "", by: "admin" })
      yield* source(write({ streamName: "token-t1", events: [revoked] }))
      yield* target(imported(text))
      const known = Effect.gen(function* () {
        yield* Layer.build(TokenDirectory.TokenDirectory.layerFollower)
        return (yield* TokenDirectory.TokenDirectory).byHash("h1")?.token
      }).pipe(Effect.provide(TokenDirectory.TokenDirectory.layer))
      assert.deepInclude(yield* target(known), { name: "ci", role: "operator", revokedAt: null })
    })
  )

  it.effect("goes on in parts: each joins on to the one before, and no other", () =>
    Effect.gen(function* () {
      const [source, target, other] = [yield* newLog, yield* newLog, yield* newLog]
      yield* source(history)
      const first = yield* source(exported())
      yield* source(write({ streamName: "run-a", wakeAt: 9_000 }))
      yield* source(write({ streamName: "run-new", events: [{}, {}] }))
      const second = yield* source(exported(first.told.head))
      assert.deepStrictEqual([second.told.events, second.told.streams], [3, 2])

      const why = (run: ReturnType<typeof imported>, log = target) =>
        Effect.map(Effect.flip(log(run)), ({ message }) => message)
      assert.match(yield* why(imported(second.text)), /continues an export at .*: import that first/)
      assert.match(yield* why(imported(second.text, true)), /--continue: the log is empty/)
      yield* target(imported(first.text))
      assert.match(yield* why(imported(first.text)), /into an empty log, and this one ends at/)
      assert.match(yield* why(imported(first.text, true)), /begins with the log's first event/)
      yield* target(imported(second.text, true))
      assert.deepStrictEqual(yield* target(contents), yield* source(contents))
      assert.match(yield* why(imported(second.text, true)), /continues a log that ends at/)

      // Another log at whose place another event stands.
      yield* other(history)
      const { told } = yield* other(exported())
      const moved = second.text.replaceAll(first.told.head!, told.head!)
      assert.match(yield* why(imported(moved, true), other), /with another event|line \d/)
    })
  )

  it.effect("is refused with the line and the reason when anything in it was changed, and nothing of it is kept", () =>
    Effect.gen(function* () {
      const [source, target] = [yield* newLog, yield* newLog]
      yield* source(history)
      const { text } = yield* source(exported())
      const all = lines(text)
      const edit = (index: number, from: string | RegExp, to: string) =>
        join(all.map((line, at) => (at === index ? line.replace(from, to) : line)))
      const place = `"position":"00000001-${"0".repeat(16)}-${"0".repeat(15)}1"`
      const without = (index: number) => join(all.filter((_, at) => at !== index))
      const cases: ReadonlyArray<readonly [what: string, file: string, expected: RegExp]> = [
        ["a payload", edit(2, "1.0", "1.5"), /^backup: line 3: version 1 of odd-ü does not have the hash/],
        ["a type", edit(5, '"C"', '"D"'), /line 6: version 3 of run-a does not have the hash/],
        ["metadata", edit(3, "c-1", "c-2"), /line 4: version 2 of odd-ü does not have the hash/],
        ["a time", edit(1, "1790000000000", "1790000000001"), /line 2: version 1 of run-a does not have the hash/],
        ["an event that is left out", without(4), /line 5: run-a has version 3 where 2 should be/],
        ["the last event of a stream left out", without(6), /line 7: it is the head of Asset-B, which has no event/],
        ["a head that is left out", without(8), /line 10: the trailer says streams 3, and the file has 2/],
        ["a stream under another name", edit(6, "Asset-B", "Asset-C"), /line 8: it is the head of Asset-B/],
        [
          "two events in another order",
          join([all[0]!, all[2]!, all[1]!, ...all.slice(3)]),
          /line 3: position .* come after/
        ],
        ["a position", edit(2, /"position":"[^"]*"/, place), /line 3: position .* does not come after/],
        ["a position that still fits", edit(1, /"position":"[^"]*"/, place), /line 11: the trailer says digest/],
        ["a wake", edit(9, '"wakeAt":7000', '"wakeAt":1'), /line 11: the trailer says digest/],
        ["the trailer's count", edit(10, '"events":6', '"events":5'), /line 11: the trailer says events 5/],
        ["something after the end", `${text}{}\n`, /line 12: there is something after the trailer/],
        ["no trailer", without(10), /line 11: the trailer is missing: the file is cut off/],
        ["half a line", text.slice(0, -20), /line 11: the file ends in the middle of it/],
        ["a cut in the middle", join(all.slice(0, 4)), /line 5: the trailer is missing/],
        ["no header", join(all.slice(1)), /line 1: it is not the header/],
        ["nothing", "", /line 1: .* the file is empty/],
        ["another format", edit(0, '"format":1', '"format":2'), /line 1: it is not the header.*format/],
        ["no JSON", edit(2, "{", "("), /line 3: it is no JSON object/]
      ]
      for (const [what, file, expected] of cases) {
        const error = yield* Effect.flip(target(imported(file)))
        assert.strictEqual(error._tag, "ArchiveBroken", what)
        assert.match(error.message, expected, what)
        assert.deepStrictEqual(yield* target(contents), { events: [], streams: [] }, what)
      }
      yield* target(imported(text))
    })
  )

  it.effect("says who signed it, and is refused when that was somebody else or nobody", () =>
    Effect.gen(function* () {
      const [source, target] = [yield* newLog, yield* newLog]
      const [ours, theirs] = [keys(), keys()]
      const [our, their] = [verifierOf(ours.publicPem)!, verifierOf(theirs.publicPem)!]
      yield* source(history)
      const { text } = yield* source(exported(null, signer(ours.privatePem)))
      const plain = yield* source(exported())
      const why = (file: string, key: typeof our) =>
        Effect.map(Effect.flip(target(imported(file, false, key))), ({ message }) => message)
      assert.match(yield* why(text, their), new RegExp(`key ${our.keyId} has signed the file, and the given one is`))
      assert.match(yield* why(plain.text, our), /nobody has signed the file/)
      const forged = text.replace(/"value":"....../, '"value":"AAAAAA')
      assert.match(yield* why(forged, our), /the signature is not one of this file/)
      const found = yield* target(imported(text, false, our))
      assert.deepStrictEqual(found.signed, { by: "key", keyId: our.keyId })
    })
  )

  it.effect("a log that is broken is not exported, and the place is named", () =>
    Effect.gen(function* () {
      const source = yield* newLog
      yield* source(history)
      yield* source(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`UPDATE events SET type = 'X' WHERE type = 'C'`))
      const error = yield* Effect.flip(source(exported()))
      assert.match(error.message, /the log is broken at version 3 of run-a, position [0-9a-f-]{42}: kintsugi verify/)
    })
  )

  it.effect("a log in which an event was moved behind the next one of its stream is broken there", () =>
    Effect.gen(function* () {
      const source = yield* newLog
      yield* source(history)
      const moved = Effect.flatMap(
        SqlClient.SqlClient,
        (sql) =>
          sql`UPDATE events SET transaction_id = (transaction_id::text::bigint + 1000)::text::xid8 WHERE type = 'B'`
      )
      yield* source(moved)
      const { broken } = yield* source(scan)
      assert.deepStrictEqual(
        broken.map(({ problem, stream, version }) => [stream, version, problem]),
        [["run-a", 3, "it does not come after the event before it"]]
      )
      assert.match((yield* Effect.flip(source(exported()))).message, /the log is broken at version 3 of run-a/)
    })
  )

  it.effect(
    "more than a page of events and streams comes through, in pages that are no larger than they should be",
    () =>
      Effect.gen(function* () {
        const [source, target] = [yield* newLog, yield* newLog]
        const payload = JSON.stringify({ text: "x".repeat(2_000) })
        for (let stream = 0; stream < 30; stream++) {
          const events = Array.from({ length: 150 }, () => ({ payload }))
          yield* source(write({ streamName: `run-${stream}`, events }))
        }
        const { parts, text } = yield* source(exported())
        assert.lengthOf(lines(text), 1 + 4_500 + 30 + 1)
        // A page of the first size, and after that what fits into 1 MiB.
        assert.isBelow(Math.max(...parts), 1_500_000)
        yield* target(imported(text))
        assert.deepStrictEqual(yield* target(contents), yield* source(contents))
      })
  )
})
