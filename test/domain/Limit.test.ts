import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Decider from "../../src/domain/Decider.ts"
import * as Limit from "../../src/domain/Limit.ts"
import * as WaitQueue from "../../src/domain/WaitQueue.ts"
import { given } from "../support/given.ts"

const limit = given(Limit.decider)

const acquire = (holder: string, priority = 100, capacity = 1, now = 100): Limit.Command => ({
  _tag: "Acquire",
  holder,
  priority,
  capacity,
  leaseMs: 50,
  now
})
const release = (holder: string): Limit.Command => ({ _tag: "Release", holder, now: 120 })
const expire = (now: number): Limit.Command => ({ _tag: "Expire", now })

const capacity = (slots: number, at = 100): Limit.Event => ({ _tag: "LimitCapacityChanged", capacity: slots, at })
const granted = (holder: string, at = 100): Limit.Event => ({ _tag: "SlotGranted", holder, leaseUntil: at + 50, at })
const queued = (holder: string, priority = 100): Limit.Event => ({
  _tag: "SlotQueued",
  holder,
  priority,
  leaseMs: 50,
  at: 100
})
const released = (holder: string, at = 120, expired = false): Limit.Event => ({
  _tag: "SlotReleased",
  holder,
  expired,
  at
})

const fold = (events: ReadonlyArray<Limit.Event>) => Decider.fold(Limit.decider, Limit.initial, events)

describe("Limit", () => {
  it("grants a free slot at once, and queues when there is none", () => {
    limit().when(acquire("a")).then(capacity(1), granted("a"))
    limit(capacity(1), granted("a")).when(acquire("b")).then(queued("b"))
    limit(capacity(2), granted("a"))
      .when(acquire("b", 100, 2))
      .then(granted("b"))
  })

  it("changes nothing for a holder that has a slot or waits for one", () => {
    limit(capacity(1), granted("a"), queued("b"))
      .when(acquire("a", 1, 5))
      .then()
    limit(capacity(1), granted("a"), queued("b"))
      .when(acquire("b", 1, 5))
      .then()
  })

  it("grants a released slot in the same decision, by priority and then by arrival", () => {
    const waiting = [capacity(1), granted("a"), queued("b", 5), queued("c", 1), queued("d", 1)]
    limit(...waiting)
      .when(release("a"))
      .then(released("a"), granted("c", 120))
    limit(...waiting, released("a"), granted("c", 120))
      .when(release("c"))
      .then(released("c"), granted("d", 120))
  })

  it("forgets a waiter that gives up, and knows nothing of strangers", () => {
    limit(capacity(1), granted("a"), queued("b")).when(release("b")).then(released("b"))
    limit(capacity(1), granted("a"), queued("b"), released("b")).when(release("a")).then(released("a"))
    limit(capacity(1), granted("a")).when(release("x")).then()
  })

  it("takes back the slots whose lease has ended, and passes them on at once", () => {
    const events = [capacity(2), granted("a", 100), granted("b", 130), queued("c")]
    limit(...events)
      .when(expire(149))
      .then()
    limit(...events)
      .when(expire(150))
      .then(released("a", 150, true), granted("c", 150))
    assert.strictEqual(Limit.nextExpiry(fold(events)), 150)
    assert.strictEqual(Limit.nextExpiry(Limit.initial), null)
  })

  it("prolongs a lease, never shortens it", () => {
    const renew = (now: number): Limit.Command => ({ _tag: "Renew", holder: "a", leaseMs: 50, now })
    limit(capacity(1), granted("a"))
      .when(renew(130))
      .then({ _tag: "SlotRenewed", holder: "a", leaseUntil: 180, at: 130 })
    limit(capacity(1), granted("a")).when(renew(90)).then()
    limit().when(renew(90)).then()
  })

  it("takes its capacity from the newest claim: more slots go to who waits, fewer take nothing away", () => {
    limit(capacity(1), granted("a"), queued("b"), queued("c"))
      .when(acquire("d", 100, 3))
      .then(capacity(3), queued("d"), granted("b"), granted("c"))
    limit(capacity(2), granted("a"), granted("b"))
      .when(acquire("c", 100, 1))
      .then(capacity(1), queued("c"))
    limit(capacity(2), granted("a"), granted("b"), capacity(1), queued("c")).when(release("a")).then(released("a"))
  })

  it("notes at most 100,000 waiters, and folds them in a moment", () => {
    const waiters = Array.from({ length: Limit.queueLengthMax }, (_, index) => queued(`w${index}`, index % 7))
    const full = fold([capacity(1), granted("a"), ...waiters])
    assert.deepStrictEqual<unknown>(Limit.decide(acquire("late"), full), Result.succeed([]))
    const next = Result.getOrThrow(Limit.decide(release("a"), full))
    assert.deepStrictEqual(next, [released("a"), granted("w0", 120)])
  })

  const holder = fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h")
  const leaseMs = fc.integer({ min: 1, max: 60 })
  const now = fc.constant(0)
  const command: fc.Arbitrary<Limit.Command> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        _tag: fc.constant("Acquire" as const),
        holder,
        priority: fc.integer({ min: 0, max: 3 }),
        capacity: fc.constantFrom(1, 2, 2, 2, 3),
        leaseMs,
        now
      })
    },
    { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Release" as const), holder, now }) },
    { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Renew" as const), holder, leaseMs, now }) },
    { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Expire" as const), now }) }
  )

  it("never grants beyond its capacity, never leaves a slot free while one waits, never overtakes", () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 20, maxLength: 120 }), (commands) => {
        let state = Limit.initial
        // Who waits, by the events alone, in the order of arrival.
        let waiting: ReadonlyArray<{ readonly holder: string; readonly priority: number }> = []
        for (const [now, next] of commands.entries()) {
          for (const event of Result.getOrThrow(Limit.decide({ ...next, now }, state))) {
            if (event._tag === "SlotGranted") {
              const best = Math.min(...waiting.map(({ priority }) => priority))
              const first = waiting.find(({ priority }) => priority === best)
              assert(state.holders.length < state.capacity, "granted beyond capacity")
              assert(!Limit.holds(state, event.holder), "granted twice")
              assert(first === undefined || first.holder === event.holder, "overtaken")
              assert(event.leaseUntil > now, "lease that has ended")
            }
            if (event._tag === "SlotQueued") {
              assert(!Limit.holds(state, event.holder) && !waiting.some((other) => other.holder === event.holder))
              waiting = [...waiting, event]
            }
            if (event._tag === "SlotGranted" || event._tag === "SlotReleased") {
              waiting = waiting.filter((other) => other.holder !== event.holder)
            }
            state = Limit.evolve(state, event)
          }
          assert(waiting.length === 0 || state.holders.length >= state.capacity, "a slot is left free")
          assert.strictEqual(WaitQueue.size(state.queue), waiting.length)
        }
      }),
      { numRuns: 500 }
    )
  })

  it("keeps no dead places of waiters that came and gave up", () => {
    let queue = WaitQueue.add(WaitQueue.empty, { holder: "first", priority: 0, arrival: 0, leaseMs: 1 })
    for (let arrival = 1; arrival <= 10_000; arrival++) {
      queue = WaitQueue.remove(WaitQueue.add(queue, { holder: "b", priority: 1, arrival, leaseMs: 1 }), "b")
    }
    assert.strictEqual(WaitQueue.size(queue), 1)
    assert.isBelow(queue.heapSize, 100)
  })
})
