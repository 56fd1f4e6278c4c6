import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { LogUnavailable, type Page, type Position, type RecordedEvent } from "../../src/eventstore/EventStore.ts"
import * as LogPosition from "../../src/eventstore/LogPosition.ts"
import * as LogTail from "../../src/eventstore/LogTail.ts"

const at = (nth: number): Position => LogPosition.of(1, "7", BigInt(nth))

const eventOf = (nth: number, streamName = "run-a", type = "Happened", payload = `{"nth":${nth}}`): RecordedEvent => ({
  ...{ streamName, type, payload, streamVersion: nth, position: at(nth) },
  ...{ schemaVersion: 1, metadata: {}, recordedAt: 0, hash: "" }
})

const nths = (page: Page | null) => page?.events.map(({ streamVersion }) => streamVersion) ?? null
const away = new LogUnavailable({ message: "away", cause: "away" })

/** A log whose readers see what is at or below `horizon`, and a tail of it; time passes with every look at the clock. */
const make = Effect.gen(function* () {
  const log = {
    events: [] as Array<RecordedEvent>,
    horizon: Number.POSITIVE_INFINITY,
    reads: 0,
    /** Runs before a read answers. */
    before: Effect.void as Effect.Effect<void, LogUnavailable>,
    now: 0,
    tickMs: 10
  }
  const real = yield* Clock.Clock
  const clock = Object.assign(Object.create(real) as Clock.Clock, {
    currentTimeMillisUnsafe: () => (log.now += log.tickMs)
  })
  const read = (after: Position, limit: number) =>
    Effect.suspend(() => {
      log.reads++
      const found = log.events.filter(({ position }) => position > after && position <= at(Math.min(log.horizon, 1e9)))
      return Effect.as(log.before, found.slice(0, limit))
    })
  const scope = yield* Scope.make()
  const tail = yield* LogTail.make(read).pipe(Effect.provideService(Clock.Clock, clock), Scope.provide(scope))
  const append = (count: number, of = eventOf) => {
    for (let left = count; left > 0; left--) log.events.push(of(log.events.length + 1))
  }
  return { append, log, scope, tail }
})

/** Holds every read until it is let go; `reached` ends when the first one waits. */
const held = Effect.gen(function* () {
  const reached = yield* Deferred.make<void>()
  const go = yield* Deferred.make<void, LogUnavailable>()
  return { reached, go, before: Effect.andThen(Deferred.succeed(reached, undefined), Deferred.await(go)) }
})

/** Starts the reader at once, up to where it waits. */
const begun = <A, E>(reader: Effect.Effect<A, E>) => Effect.forkChild(reader, { startImmediately: true })

describe("the end of the log in memory", () => {
  it.live("knows nothing before a reader has come to the end, nor for one that is at the start", () =>
    Effect.gen(function* () {
      const { append, log, tail } = yield* make
      append(3)
      assert.isNull(yield* tail.page({ after: at(1), limit: 10 }))
      tail.begin(at(2))
      assert.isNull(yield* tail.page({ after: null, limit: 10 }))
      assert.isNull(yield* tail.page({ after: at(1), limit: 10 }))
      assert.strictEqual(log.reads, 0)
      assert.deepStrictEqual(nths(yield* tail.page({ after: at(2), limit: 10 })), [3])
    })
  )

  it.live("what commits late is waited for, and then given in order to every reader (T36)", () =>
    Effect.gen(function* () {
      const { append, log, tail } = yield* make
      append(2)
      tail.begin(at(2))
      // 3 is still open, 4 has committed: neither is below the horizon.
      append(2)
      log.horizon = 2
      assert.deepStrictEqual(yield* tail.page({ after: at(2), limit: 10 }), { events: [], next: at(2) })
      assert.deepStrictEqual(yield* tail.page({ after: at(2), limit: 10, types: ["Never"] }), {
        events: [],
        next: at(2)
      })
      // Of two horizons the later can be the lower one.
      log.horizon = 3
      assert.deepStrictEqual(nths(yield* tail.page({ after: at(2), limit: 10 })), [3])
      log.horizon = 2
      assert.deepStrictEqual(nths(yield* tail.page({ after: at(2), limit: 10 })), [3])
      log.horizon = 4
      assert.deepStrictEqual(nths(yield* tail.page({ after: at(2), limit: 10 })), [3, 4])
      assert.deepStrictEqual(nths(yield* tail.page({ after: at(3), limit: 10 })), [4])
    })
  )

  it.live("readers that follow under any filter and limit see what the log holds, once and in order", () =>
    Effect.gen(function* () {
      const { append, log, tail } = yield* make
      const kinds = ["run-a", "run-b", "runner-a", "asset-a"]
      const of = (nth: number) => eventOf(nth, kinds[nth % 4], nth % 7 === 0 ? "Rare" : "Happened")
      tail.begin(at(0))
      const readers = [
        { limit: 1 },
        { limit: 3, category: "run" },
        { limit: 1_000, types: ["Rare"] },
        { limit: 2, category: "run", types: ["Rare", "Other"] },
        { limit: 5, types: [] }
      ].map((wanted: Omit<LogTail.Wanted, "after">) => ({ wanted, after: at(0), seen: [] as Array<number> }))
      for (let round = 0; round < 12; round++) {
        append(1 + ((round * 5) % 11), of)
        log.horizon = round === 11 ? log.events.length : log.events.length - (round % 4)
        // The last rounds bring everybody to the end.
        for (let turn = 0; turn < (round === 11 ? 100 : 2); turn++) {
          for (const reader of readers) {
            const page = yield* tail.page({ ...reader.wanted, after: reader.after })
            assert.isAtMost(page!.events.length, reader.wanted.limit)
            reader.seen.push(...nths(page)!)
            reader.after = page!.next!
          }
        }
      }
      for (const { after, seen, wanted } of readers) {
        const { category, types } = wanted
        const right = log.events.filter(
          ({ streamName, type }) =>
            (category === undefined || streamName.startsWith(`${category}-`)) &&
            (types === undefined || types.includes(type))
        )
        const expected = right.map(({ streamVersion }) => streamVersion)
        assert.deepStrictEqual(seen, expected)
        assert.strictEqual(after, at(log.events.length))
      }
    })
  )

  it.live("readers that wait together share one read, and one that comes during a read waits for the next", () =>
    Effect.gen(function* () {
      const { append, log, tail } = yield* make
      tail.begin(at(0))
      const gate = yield* held
      log.before = gate.before
      const first = yield* begun(tail.page({ after: at(0), limit: 10 }))
      yield* Deferred.await(gate.reached)
      // The read under way has not seen this one.
      append(1)
      const later = yield* Effect.all([1, 2, 3].map(() => begun(tail.page({ after: at(0), limit: 10 }))))
      yield* Deferred.succeed(gate.go, undefined)
      assert.deepStrictEqual(nths(yield* Fiber.join(first)), [])
      for (const reader of later) assert.deepStrictEqual(nths(yield* Fiber.join(reader)), [1])
      assert.strictEqual(log.reads, 2)
    })
  )

  it.live("a reader that gives up while it waits harms nobody else", () =>
    Effect.gen(function* () {
      const { append, log, tail } = yield* make
      tail.begin(at(0))
      append(1)
      const gate = yield* held
      log.before = gate.before
      const gone = yield* begun(tail.page({ after: at(0), limit: 10 }))
      const stays = yield* begun(tail.page({ after: at(0), limit: 10 }))
      yield* Deferred.await(gate.reached)
      yield* Fiber.interrupt(gone)
      yield* Deferred.succeed(gate.go, undefined)
      assert.deepStrictEqual(nths(yield* Fiber.join(stays)), [1])
      assert.deepStrictEqual(nths(yield* tail.page({ after: at(1), limit: 10 })), [])
    })
  )

  it.live("of too much only the newer half stays: who is further behind reads the log itself, nobody misses any", () =>
    Effect.gen(function* () {
      const { append, tail } = yield* make
      tail.begin(at(0))
      let level = 0
      // 12 KiB each: by their text they are too many long before they are by their number.
      const large = (nth: number) => eventOf(nth, "run-a", "Happened", "x".repeat(12 * 1024))
      for (let times = 0; times < 3; times++) {
        append(1_000, large)
        level += 1_000
        const page = yield* tail.page({ after: at(level - 1), limit: 10 })
        assert.deepStrictEqual(nths(page), [level])
      }
      let floor = 0
      while ((yield* tail.page({ after: at(floor), limit: 1 })) === null) floor++
      assert.isAtLeast(level - floor, 600)
      assert.isAtMost(level - floor, 1_365)
      // The place that is told first is the one before the oldest event that is kept.
      assert.deepStrictEqual(nths(yield* tail.page({ after: at(floor), limit: 1 })), [floor + 1])
    })
  )

  it.live("after more than one look takes, everybody reads the log itself once", () =>
    Effect.gen(function* () {
      const { append, tail } = yield* make
      tail.begin(at(0))
      append(6_000)
      assert.isNull(yield* tail.page({ after: at(0), limit: 10 }))
      tail.begin(at(6_000))
      append(1)
      assert.deepStrictEqual(nths(yield* tail.page({ after: at(6_000), limit: 10 })), [6_001])
    })
  )

  it.live("a redaction makes it forget what it has kept, also what came with it and what was read meanwhile", () =>
    Effect.gen(function* () {
      const { append, log, tail } = yield* make
      tail.begin(at(0))
      append(2)
      assert.deepStrictEqual(nths(yield* tail.page({ after: at(0), limit: 10 })), [1, 2])
      append(1, (nth) => eventOf(nth, "redaction-run-a", "PayloadRedacted"))
      // Asked for what comes after it, and by one who does not want it at all.
      assert.isNull(yield* tail.page({ after: at(2), limit: 10, category: "asset" }))
      assert.isNull(yield* tail.page({ after: at(0), limit: 10 }))
      // One who read the log before it, and says so only now.
      tail.begin(at(1))
      assert.isNull(yield* tail.page({ after: at(1), limit: 10 }))
      tail.begin(at(3))
      append(1)
      assert.isNull(yield* tail.page({ after: at(2), limit: 10 }))
      assert.deepStrictEqual(nths(yield* tail.page({ after: at(3), limit: 10 })), [4])
      assert.strictEqual(log.events.length, 4)
    })
  )

  it.live("what was read when it was dropped is not kept, even if it has begun again meanwhile", () =>
    Effect.gen(function* () {
      const { append, log, tail } = yield* make
      tail.begin(at(0))
      append(2)
      const gate = yield* held
      log.before = gate.before
      const reader = yield* begun(tail.page({ after: at(0), limit: 10 }))
      yield* Deferred.await(gate.reached)
      tail.drop()
      tail.begin(at(1))
      log.events = [eventOf(1), eventOf(2, "run-restored"), eventOf(3, "run-restored")]
      yield* Deferred.succeed(gate.go, undefined)
      assert.isNull(yield* Fiber.join(reader))
      const page = yield* tail.page({ after: at(1), limit: 10 })
      assert.deepStrictEqual(
        page!.events.map(({ streamName }) => streamName),
        ["run-restored", "run-restored"]
      )
    })
  )

  it.live("a log that is away is told to all who wait at once, and what comes back may be another log", () =>
    Effect.gen(function* () {
      const { append, log, tail } = yield* make
      tail.begin(at(0))
      append(2)
      assert.deepStrictEqual(nths(yield* tail.page({ after: at(0), limit: 10 })), [1, 2])
      const gate = yield* held
      log.before = gate.before
      const first = yield* begun(Effect.flip(tail.page({ after: at(2), limit: 10 })))
      yield* Deferred.await(gate.reached)
      const second = yield* begun(Effect.flip(tail.page({ after: at(2), limit: 10 })))
      yield* Deferred.fail(gate.go, away)
      assert.strictEqual((yield* Fiber.join(first))?._tag, "LogUnavailable")
      assert.strictEqual((yield* Fiber.join(second))?._tag, "LogUnavailable")
      assert.strictEqual(log.reads, 2)
      // A dump of it that is older: nobody may be given what it does not hold.
      log.before = Effect.void
      log.events = [eventOf(1)]
      assert.isNull(yield* tail.page({ after: at(1), limit: 10 }))
      tail.begin(at(1))
      append(1, (nth) => eventOf(nth, "run-new"))
      assert.strictEqual((yield* tail.page({ after: at(1), limit: 10 }))?.events[0]?.streamName, "run-new")
    })
  )

  it.live("a defect of a read is the reader's, and the next one is answered", () =>
    Effect.gen(function* () {
      const { append, log, tail } = yield* make
      tail.begin(at(0))
      append(1)
      log.before = Effect.die(new Error("no such table"))
      const exit = yield* Effect.exit(tail.page({ after: at(0), limit: 10 }))
      assert.isTrue(Exit.hasDies(exit))
      log.before = Effect.void
      tail.begin(at(0))
      assert.deepStrictEqual(nths(yield* tail.page({ after: at(0), limit: 10 })), [1])
    })
  )

  it.live("a clock that is set back keeps nobody waiting", () =>
    Effect.gen(function* () {
      const { append, log, tail } = yield* make
      tail.begin(at(0))
      log.now = 3_600_000
      assert.deepStrictEqual(nths(yield* tail.page({ after: at(0), limit: 10 })), [])
      log.now = 0
      append(1)
      const page = tail.page({ after: at(0), limit: 10 })
      assert.deepStrictEqual(nths(yield* Effect.timeout(page, "10 seconds")), [1])
    })
  )

  it.live("when it ends, who waits reads the log itself instead of waiting for ever", () =>
    Effect.gen(function* () {
      const { log, scope, tail } = yield* make
      tail.begin(at(0))
      const gate = yield* held
      log.before = gate.before
      const during = yield* begun(tail.page({ after: at(0), limit: 10 }))
      yield* Deferred.await(gate.reached)
      const next = yield* begun(tail.page({ after: at(0), limit: 10 }))
      yield* Scope.close(scope, Exit.void)
      assert.isNull(yield* Effect.timeout(Fiber.join(during), "10 seconds"))
      assert.isNull(yield* Effect.timeout(Fiber.join(next), "10 seconds"))
      tail.begin(at(0))
      assert.isNull(yield* Effect.timeout(tail.page({ after: at(0), limit: 10 }), "10 seconds"))
    })
  )
})
