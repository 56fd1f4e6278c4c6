import { assert, type Vitest } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, type Layer, Result, Scope, Stream } from "effect"
import { EventStore, type Position } from "../../src/eventstore/EventStore.ts"
import * as HashChain from "../../src/eventstore/HashChain.ts"
import * as Verification from "../../src/eventstore/Verification.ts"
import { appendOf, lastHash } from "../support/appends.ts"

const dayMs = 24 * 60 * 60_000

/** What every adapter of the event store must do. `fresh` is an empty log each time it is built. */
export const contract = <R>(it: Vitest.MethodsNonLive<R>, fresh: Layer.Layer<EventStore, never, R>): void => {
  const check = (name: string, test: Effect.Effect<void, unknown, EventStore | Scope.Scope>) =>
    it.effect(name, () => Effect.scoped(Effect.provide(test, fresh)))

  check(
    "an append answers the new version and the position of its last event",
    Effect.gen(function* () {
      const store = yield* EventStore
      const first = appendOf({ streamName: "run-a", events: [{}, {}] })
      const answered = yield* store.append(first)
      const second = yield* store.append(
        appendOf({ streamName: "run-a", expectedVersion: 2, after: lastHash(first), events: [{}] })
      )
      const events = yield* store.read("run-a", 0)
      assert.strictEqual(answered.streamVersion, 2)
      assert.strictEqual(second.streamVersion, 3)
      assert.deepStrictEqual([events[1]!.position, events[2]!.position], [answered.position, second.position])
      assert(second.position > answered.position)
    })
  )

  check(
    "what was appended is read back unchanged, byte for byte, and its chain holds",
    Effect.gen(function* () {
      const store = yield* EventStore
      const payload = `{"z":1,  "a":"ä\\u00e4 \\"quoted\\"","n":1.50}`
      const metadata = { commandId: "c-1", principal: "öp", traceparent: "00-1-2-01" }
      const { events } = yield* Effect.tap(
        Effect.succeed(
          appendOf({ streamName: "asset-a", events: [{ payload, metadata, recordedAt: 1_790_000_000_123 }, {}] })
        ),
        store.append
      )
      const read = yield* store.read("asset-a", 0)
      assert.deepStrictEqual(
        read.map(({ position: _p, streamName, streamVersion, ...event }) => ({ streamName, streamVersion, ...event })),
        events.map((event, index) => ({ streamName: "asset-a", streamVersion: index + 1, ...event }))
      )
      assert.isNull(HashChain.verify(read))
      assert.deepStrictEqual(yield* Verification.chains, { events: 2, streams: 1, breaks: [] })
    })
  )

  check(
    "an append at another version than the stream's is a conflict, and nothing of it is written",
    Effect.gen(function* () {
      const store = yield* EventStore
      yield* store.append(appendOf({ streamName: "run-a" }))
      for (const [streamName, expectedVersion] of [
        ["run-a", 0],
        ["run-a", 2],
        ["run-never", 1]
      ] as const) {
        const result = yield* Effect.flip(store.append(appendOf({ streamName, expectedVersion })))
        assert.strictEqual(result._tag, "VersionConflict")
        assert.deepInclude(result, { streamName, expectedVersion })
      }
      assert.strictEqual((yield* store.read("run-a", 0)).length, 1)
      assert.deepStrictEqual(yield* store.read("run-never", 0), [])
    })
  )

  check(
    "of appends that race for a version exactly one wins, and appends to other streams are not harmed",
    Effect.gen(function* () {
      const store = yield* EventStore
      const race = Array.from({ length: 50 }, (_, index) =>
        Effect.result(store.append(appendOf({ streamName: index % 2 === 0 ? "run-hot" : `run-${index}` })))
      )
      const results = yield* Effect.all(race, { concurrency: "unbounded" })
      assert.strictEqual(results.filter((result, index) => index % 2 === 0 && Result.isSuccess(result)).length, 1)
      assert.strictEqual(results.filter((result, index) => index % 2 === 1 && Result.isSuccess(result)).length, 25)
      assert.strictEqual((yield* store.readAll({ after: null, limit: 100 })).events.length, 26)
    })
  )

  check(
    "data that cannot be stored fails its own append only",
    Effect.gen(function* () {
      const store = yield* EventStore
      const appends = Array.from({ length: 20 }, (_, index) =>
        appendOf({ streamName: `run-${index}`, events: [{ payload: index === 13 ? `{"broken` : "{}" }] })
      )
      const results = yield* Effect.all(
        appends.map((append) => Effect.result(store.append(append))),
        {
          concurrency: "unbounded"
        }
      )
      const failures = results.flatMap((result) => (Result.isFailure(result) ? [result.failure] : []))
      assert.strictEqual(failures.length, 1)
      assert.deepInclude(failures[0], { _tag: "AppendRefused", streamName: "run-13", sqlState: "22P02" })
      assert.deepStrictEqual(yield* store.read("run-13", 0), [])
    })
  )

  check(
    "reads start after a version and end at a limit",
    Effect.gen(function* () {
      const store = yield* EventStore
      yield* store.append(appendOf({ streamName: "run-a", events: [{}, {}, {}, {}, {}] }))
      const versions = (read: ReadonlyArray<{ readonly streamVersion: number }>) =>
        read.map((event) => event.streamVersion)
      assert.deepStrictEqual(versions(yield* store.read("run-a", 2)), [3, 4, 5])
      assert.deepStrictEqual(versions(yield* store.read("run-a", 1, 2)), [2, 3])
      assert.deepStrictEqual(versions(yield* store.read("run-a", 5)), [])
    })
  )

  check(
    "the log is read in pages, in order, each event once",
    Effect.gen(function* () {
      const store = yield* EventStore
      for (let nth = 0; nth < 7; nth++) yield* store.append(appendOf({ streamName: `run-${nth}`, events: [{}, {}] }))
      const seen: Array<string> = []
      let after: Position | null = null
      while (true) {
        const page: { events: ReadonlyArray<{ position: Position; streamName: string }>; next: Position | null } =
          yield* store.readAll({ after, limit: 3 })
        seen.push(...page.events.map(({ streamName }) => streamName))
        if (page.events.length === 0) {
          assert.strictEqual(page.next, after)
          break
        }
        assert.strictEqual(page.next, page.events[page.events.length - 1]!.position)
        after = page.next
      }
      assert.deepStrictEqual(
        seen,
        [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6].map((nth) => `run-${nth}`)
      )
      assert.strictEqual(yield* store.head, after)
    })
  )

  check(
    "category and types filter the log, and what they leave out is not read again",
    Effect.gen(function* () {
      const store = yield* EventStore
      yield* store.append(appendOf({ streamName: "run-a", events: [{ type: "Started" }, { type: "Ended" }] }))
      yield* store.append(appendOf({ streamName: "runkey-a", events: [{ type: "Started" }] }))
      const last = yield* store.append(appendOf({ streamName: "asset-a", events: [{ type: "Started" }] }))
      const names = (options: { readonly category?: string; readonly types?: ReadonlyArray<string> }) =>
        Effect.map(store.readAll({ after: null, limit: 10, ...options }), ({ events, next }) => ({
          events: events.map(({ streamName, type }) => `${streamName} ${type}`),
          next
        }))
      assert.deepStrictEqual(yield* names({ category: "run" }), {
        events: ["run-a Started", "run-a Ended"],
        next: last.position
      })
      assert.deepStrictEqual((yield* names({ types: ["Started"] })).events, [
        "run-a Started",
        "runkey-a Started",
        "asset-a Started"
      ])
      assert.deepStrictEqual((yield* names({ category: "run", types: ["Started"] })).events, ["run-a Started"])
      assert.deepStrictEqual(yield* names({ types: ["Never"] }), { events: [], next: last.position })
      assert.deepStrictEqual(yield* store.readAll({ after: last.position, limit: 10, types: ["Never"] }), {
        events: [],
        next: last.position
      })
    })
  )

  check(
    "an empty log has a head, and nothing after it",
    Effect.gen(function* () {
      const store = yield* EventStore
      const head = yield* store.head
      assert.deepStrictEqual(yield* store.readAll({ after: head, limit: 10 }), { events: [], next: head })
      assert.deepStrictEqual(yield* store.readAll({ after: null, limit: 10 }), { events: [], next: null })
      yield* store.append(appendOf({ streamName: "run-a" }))
      assert.strictEqual((yield* store.readAll({ after: head, limit: 10 })).events.length, 1)
    })
  )

  check(
    "a command is found by its id for 7 days",
    Effect.gen(function* () {
      const store = yield* EventStore
      const now = yield* Clock.currentTimeMillis
      const command = (id: string, recordedAt: number) =>
        appendOf({ streamName: `run-${id}`, events: [{ metadata: { commandId: id }, recordedAt }, { recordedAt }] })
      yield* store.append(command("new", now - 6 * dayMs))
      yield* store.append(command("old", now - 8 * dayMs))
      assert.deepInclude(yield* store.findCommand("new"), { streamName: "run-new", streamVersion: 1 })
      assert.isNull(yield* store.findCommand("old"))
      assert.isNull(yield* store.findCommand("never"))
    })
  )

  check(
    "due streams are claimed once, oldest first, and come back after the lease",
    Effect.gen(function* () {
      const store = yield* EventStore
      for (const [id, wakeAt] of [
        ["late", 900],
        ["early", 100],
        ["never", null],
        ["next", 1_500]
      ] as const) {
        yield* store.append(appendOf({ streamName: `run-${id}`, wakeAt }))
      }
      const claim = (now: number, limit = 10, horizonMs = 0) =>
        store.claimDue({ now, horizonMs, leaseMs: 5_000, limit })
      assert.deepStrictEqual(yield* claim(1_000, 1), ["run-early"])
      assert.deepStrictEqual(yield* claim(1_000), ["run-late"])
      assert.deepStrictEqual(yield* claim(1_000), [])
      assert.deepStrictEqual(yield* claim(1_000, 10, 600), ["run-next"])
      assert.deepStrictEqual([...(yield* claim(6_000))].sort(), ["run-early", "run-late", "run-next"])
    })
  )

  check(
    "an append sets and clears when its stream is due",
    Effect.gen(function* () {
      const store = yield* EventStore
      const first = appendOf({ streamName: "run-a", wakeAt: 100 })
      yield* store.append(first)
      yield* store.append(appendOf({ streamName: "run-a", expectedVersion: 1, after: lastHash(first), wakeAt: null }))
      assert.deepStrictEqual(yield* store.claimDue({ now: 1_000, horizonMs: 0, leaseMs: 1, limit: 10 }), [])
    })
  )

  check(
    "who waits on what is found, in pages, by stores, and when what they wait on owes nothing",
    Effect.gen(function* () {
      const store = yield* EventStore
      const wait = (id: string, ...waitsOn: ReadonlyArray<string>) =>
        store.append(appendOf({ streamName: `run-${id}`, waitsOn, wakeAt: 1 }))
      yield* wait("a", "recovery-1")
      yield* wait("b", "recovery-1", "store:inbox")
      yield* wait("c", "recovery-1", "recovery-2", "store:inbox", "store:lake")
      const { events } = appendOf({ streamName: "run-gone", waitsOn: ["store:old"] })
      yield* store.append({ streamName: "run-gone", expectedVersion: 0, events, waitsOn: ["store:old"], wakeAt: 1 })
      yield* store.append(
        appendOf({ streamName: "run-gone", expectedVersion: 1, after: events[0].hash, waitsOn: null, wakeAt: null })
      )
      assert.deepStrictEqual(yield* store.waitingOn("recovery-1", "", 2), ["run-a", "run-b"])
      assert.deepStrictEqual(yield* store.waitingOn("recovery-1", "run-b", 2), ["run-c"])
      assert.deepStrictEqual(yield* store.waitedStores, ["store:inbox", "store:lake"])
      assert.deepStrictEqual(yield* store.lostWakes(10), [])
      yield* store.append(appendOf({ streamName: "recovery-1", wakeAt: 5 }))
      yield* store.append(appendOf({ streamName: "recovery-2", wakeAt: null }))
      assert.deepStrictEqual(yield* store.lostWakes(10), ["run-c"])
      const [recovery] = yield* store.read("recovery-1", 0)
      yield* store.append(
        appendOf({ streamName: "recovery-1", expectedVersion: 1, after: recovery!.hash, wakeAt: null })
      )
      assert.deepStrictEqual(yield* store.lostWakes(2), ["run-a", "run-b"])
    })
  )

  check(
    "appends are announced",
    Effect.gen(function* () {
      const store = yield* EventStore
      const heard = yield* store.changes.pipe(
        Stream.take(1),
        Stream.runDrain,
        Effect.forkChild({ startImmediately: true })
      )
      yield* Effect.yieldNow
      yield* store.append(appendOf({ streamName: "run-a" }))
      yield* Fiber.join(heard)
      assert.isTrue(yield* store.available)
    })
  )

  check(
    "an append wakes who wants one of its types, for as long as they want it",
    Effect.gen(function* () {
      const store = yield* EventStore
      const woken: Array<string> = []
      const want = (types: ReadonlyArray<string>, name: string) => store.onAppended(types, () => woken.push(name))
      const leaving = yield* Scope.make()
      yield* want(["Wanted", "Happened"], "one")
      yield* want(["Elsewhere"], "nobody")
      yield* Scope.provide(want(["Wanted"], "leaves"), leaving)
      const heard = Effect.fnUntraced(function* (count: number) {
        while (woken.length < count) yield* Effect.yieldNow
      })
      yield* store.append(appendOf({ streamName: "run-a", events: [{}, { type: "Wanted" }] }))
      yield* heard(2)
      assert.deepStrictEqual([...woken].sort(), ["leaves", "one"])
      yield* Scope.close(leaving, Exit.void)
      yield* store.append(appendOf({ streamName: "run-b", events: [{ type: "Wanted" }] }))
      yield* heard(3)
      yield* store.append(appendOf({ streamName: "run-c" }))
      yield* heard(4)
      assert.deepStrictEqual(woken.slice(2), ["one", "one"])
    })
  )
}
