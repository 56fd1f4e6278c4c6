import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as fc from "fast-check"
import { type Command, coolDownMs, decider, type Unstamped } from "../../src/domain/recovery/RecoveryDecide.ts"
import * as RecoveryDemand from "../../src/domain/recovery/RecoveryDemand.ts"
import { type Event, Event as RecoveryEvent } from "../../src/domain/recovery/RecoveryEvents.ts"
import { isTerminal, type State, waiterKey, waiters } from "../../src/domain/recovery/RecoveryState.ts"
import { view } from "../../src/domain/recovery/RecoveryView.ts"
import { failure, fold, gone, join, plan, settleParent, stepOf } from "./RecoveryScenario.ts"

/**
 * Every rule is checked after every command of a generated list: what actors could send in any order, late, twice, or
 * for a round or an attempt that is over.
 */
type Move = { readonly wait: number; readonly command: (state: State) => Unstamped }

/** Mostly what is current, sometimes what is over. */
const stale = fc.constantFrom(0, 0, 0, 0, 1)
const waiter = fc.oneof(
  fc.nat(5).map((run) => stepOf(`run-${run}`)),
  fc.nat(2).map((child) => ({ recoveryId: `child-${child}` }))
)
const parent = fc.constantFrom("p1", "p2", "p3")
const random = fc.constantFrom(0, 0.5, 0.999)
const producerFailure = fc.constantFrom(undefined, failure, failure, failure, gone, {
  ...failure,
  code: "output_absent"
})

const command: fc.Arbitrary<Move["command"]> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(waiter, fc.constantFrom(5, 100), fc.nat(9), fc.option(fc.nat(4), { nil: undefined })).map(
      ([who, priority, reopen, producerVersion]) =>
        () =>
          join(who, { priority, reopen: reopen === 0, producerVersion })
    )
  },
  {
    weight: 4,
    arbitrary: fc.tuple(fc.subarray(["p1", "p2", "p3"]), fc.integer({ min: 1, max: 3 }), stale).map(
      ([parents, maxAttempts, older]) =>
        (state: State) =>
          plan({ parents, maxAttempts }, state.round - older)
    )
  },
  {
    weight: 1,
    arbitrary: stale.map((older) => (state: State) => ({
      _tag: "Reject" as const,
      round: state.round - older,
      reasonCode: "source_asset" as const,
      failure: gone
    }))
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom("producer" as const, "copy" as const, "found" as const), stale)
      .map(([via, older]) => (state: State) => ({
        _tag: "Restore" as const,
        round: state.round - older,
        via,
        generation: 2,
        contentChanged: false
      }))
  },
  {
    weight: 5,
    arbitrary: fc.tuple(parent, fc.nat(5)).map(
      ([id, bad]) =>
        () =>
          settleParent(id, bad === 0 ? gone : undefined)
    )
  },
  {
    weight: 4,
    arbitrary: stale.map((older) => (state: State) => ({
      _tag: "ConfirmStart" as const,
      attempt: state.attempt - older
    }))
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(producerFailure, fc.boolean(), random, stale)
      .map(([failed, unowned, drawn, older]) => (state: State) => ({
        _tag: "EndProducer" as const,
        producerRunId: older === 0 ? (state.producerRunId ?? "") : "another run",
        failure: failed,
        unowned,
        random: drawn
      }))
  },
  {
    weight: 6,
    arbitrary: fc.tuple(fc.nat(9), stale).map(([unwanted, older]) => (state: State) => ({
      _tag: "NextAttempt" as const,
      attempt: state.attempt + 1 - older,
      wanted: unwanted > 0
    }))
  },
  { weight: 3, arbitrary: random.map((drawn) => () => ({ _tag: "Tick" as const, random: drawn })) },
  {
    weight: 5,
    arbitrary: fc
      .nat(3)
      .map((more) => (state: State) => ({ _tag: "Release" as const, released: state.released + more }))
  },
  { weight: 1, arbitrary: fc.constant(() => ({ _tag: "Retry" as const })) },
  { weight: 1, arbitrary: fc.constant(() => ({ _tag: "Cancel" as const, reason: "operator" })) },
  { weight: 1, arbitrary: fc.constant(() => ({ _tag: "Pause" as const, reason: "operator" })) },
  { weight: 3, arbitrary: fc.constant(() => ({ _tag: "Resume" as const })) },
  { weight: 1, arbitrary: fc.constant(() => ({ _tag: "Read" as const })) }
)
const moves = fc.array(fc.record({ wait: fc.constantFrom(0, 0, 0, 1_000, 60_000, coolDownMs), command }), {
  minLength: 1,
  maxLength: 120,
  size: "max"
})

interface Step {
  readonly command: Command
  readonly before: State
  readonly events: ReadonlyArray<Event>
  readonly after: State
}

const play = (list: ReadonlyArray<Move>, see: (taken: Step, history: ReadonlyArray<Event>) => void) => {
  const history: Array<Event> = []
  let state = fold()
  let time = 0
  for (const { command, wait } of list) {
    time += wait
    const stamped: Command = { ...command(state), now: time }
    const decision = decider.decide(stamped, state)
    const events = Result.isSuccess(decision) ? decision.success : []
    const before = state
    state = events.reduce(decider.evolve, state)
    history.push(...events)
    see({ command: stamped, before, events, after: state }, history)
  }
  return { history, state }
}

const always = (see: (taken: Step, history: ReadonlyArray<Event>) => void, seed?: number) =>
  fc.assert(
    fc.property(moves, (list) => {
      play(list, see)
    }),
    { numRuns: 400, ...(seed === undefined ? {} : { seed }) }
  )

/** The events of the round that is going on, or has ended last. */
const lastRound = (history: ReadonlyArray<Event>) =>
  history.slice(history.findLastIndex(({ _tag }) => _tag === "RecoveryRequested"))

describe("Recovery, whatever is sent to it in whatever order", () => {
  it("a paused recovery begins no attempt, and demands none to be planned or begun (F45)", () => {
    always(({ after, before, events }) => {
      if (before.paused && events[0]?._tag !== "RecoveryResumed" && events[0]?._tag !== "RecoveryRequested") {
        for (const { _tag } of events) assert.notStrictEqual(_tag, "RecoveryScheduled")
      }
      if (!after.paused) return
      assert.isFalse(isTerminal(after))
      for (const { _tag } of RecoveryDemand.demands(after)) assert.notInclude(["Plan", "NextAttempt", "Release"], _tag)
    })
  })

  it("the lists reach every event, so that the rules below are about something", () => {
    const seen = new Set<string>()
    always((_, history) => {
      for (const { _tag } of history.slice(-4)) seen.add(_tag)
    }, 1)
    assert.deepStrictEqual([...seen].sort(), Object.keys(RecoveryEvent.cases).sort())
  })

  it("a round schedules at most maxAttempts attempts, one after the other, each counted before it runs (F29, T34)", () => {
    always(({ after }, history) => {
      const attempts = lastRound(history).flatMap((event) =>
        event._tag === "RecoveryScheduled" ? [event.attempt] : []
      )
      assert.deepStrictEqual(
        attempts,
        attempts.map((_, index) => index + 1)
      )
      assert.isAtMost(attempts.length, after.maxAttempts)
    })
  })

  it("an attempt is scheduled only when every parent has ended well (F18)", () => {
    always(({ before, events }) => {
      let state = before
      for (const event of events) {
        if (event._tag === "RecoveryScheduled") {
          assert.deepStrictEqual(state.parents, [])
          const bad = state.settledParents.filter(({ failure: why }) => why !== undefined)
          for (const { recoveryId } of bad) assert.notInclude(state.allParents, recoveryId)
        }
        state = decider.evolve(state, event)
      }
    })
  })

  it("a round ends once, and what has ended logs nothing but that waiters were told, until it is asked for again (F32, T3)", () => {
    always(({ before, events }, history) => {
      const ends = lastRound(history).filter(({ _tag }) => _tag === "RecoverySucceeded" || _tag === "RecoveryFailed")
      assert.isAtMost(ends.length, 1)
      if (isTerminal(before) && events.length > 0) {
        assert.include(["RecoveryRequested", "RecoveryWaitersReleased"], events[0]!._tag)
      }
    })
  })

  it("rounds count up by one, and each run of a producer has an id of its own (F38)", () => {
    always((_, history) => {
      const rounds = history.flatMap((event) => (event._tag === "RecoveryRequested" ? [event.round] : []))
      assert.deepStrictEqual(
        rounds,
        rounds.map((_, index) => index + 1)
      )
      const runs = history.flatMap((event) => (event._tag === "RecoveryScheduled" ? [event.producerRunId] : []))
      assert.strictEqual(new Set(runs).size, runs.length)
    })
  })

  it("success that a producer claims is never believed without a look at the asset (F31, T7, T38)", () => {
    always(({ command: taken, events }) => {
      if (events.some(({ _tag }) => _tag === "RecoverySucceeded")) assert.strictEqual(taken._tag, "Restore")
    })
  })

  it("each waiter is in the list once, in the order of joining, and none is forgotten before it is told (F25, F27)", () => {
    always(({ after }, history) => {
      const owed: Array<string> = []
      let told = 0
      for (const event of history) {
        if (event._tag === "RecoveryRequested") {
          owed.splice(0, told)
          told = 0
        }
        if (event._tag === "RecoveryWaiterJoined") owed.push(waiterKey(event.waiter))
        if (event._tag === "RecoveryWaitersReleased") told = event.released
      }
      assert.deepStrictEqual(waiters(after, 0, after.waiterCount).map(waiterKey), owed)
      assert.strictEqual(after.waiterCount, owed.length)
      assert.strictEqual(new Set(owed).size, owed.length)
      assert.isAtMost(after.released, after.waiterCount)
      const middle = waiters(after, after.released, after.released + 2).map(waiterKey)
      assert.deepStrictEqual(middle, owed.slice(after.released, after.released + 2))
    })
  })

  it("a failed recovery says why with a code of the closed list, a succeeded one how", () => {
    always(({ after }) => {
      if (after.status === "failed" || after.status === "canceled") {
        assert.isNotNull(after.reasonCode)
        assert.isNotNull(after.failure)
      }
      if (after.status === "succeeded") assert.isNotNull(after.via)
    })
  })

  it("messages between actors are idempotent: sent again after their events they change nothing", () => {
    always(({ after, command: taken }) => {
      if (!["Join", "SettleParent", "Release", "Restore", "Reject", "Plan", "ConfirmStart"].includes(taken._tag)) return
      if (after.round === 0) return
      assert.deepStrictEqual(decider.decide(taken, after), Result.succeed([]))
    })
  })

  it("while it goes on it demands something or waits for its parents; ended, only to tell its waiters", () => {
    always(({ after, command: taken }) => {
      if (after.round === 0) return
      const demands = RecoveryDemand.demands(after)
      const keys = demands.map((demand) => RecoveryDemand.key(after, demand))
      assert.strictEqual(new Set(keys).size, keys.length)
      const wakeAt = RecoveryDemand.wakeAt(after, taken.now)
      if (isTerminal(after)) {
        for (const { _tag } of demands) assert.strictEqual(_tag, "Release")
        assert.strictEqual(demands.length === 0, after.released === after.waiterCount)
        assert.strictEqual(wakeAt === null, demands.length === 0)
        assert.isNull(RecoveryDemand.waitsOnKeys(after))
      } else {
        assert.isNotNull(wakeAt)
        const waits = RecoveryDemand.waitsOnKeys(after) !== null || after.paused
        assert(demands.length > 0 || waits, after.phase)
      }
    })
  })

  it("the time of an attempt, or of a back-off, always has an end", () => {
    always(({ after, command: taken }) => {
      if (isTerminal(after) || after.phase === "idle") return
      assert.isNumber(after.dueAt)
      assert.isAtMost(after.dueAt ?? Infinity, taken.now + after.attemptTimeoutMs)
    })
  })

  it("is the same recovery read back from the log as JSON (F38)", () => {
    const back = ({ at, ...stored }: Event): Event => ({
      ...Schema.decodeUnknownSync(RecoveryEvent)(JSON.parse(JSON.stringify(stored))),
      at
    })
    const comparable = ({ joined: _, waiterKeys, ...state }: State) => ({
      ...state,
      waiters: waiters({ joined: _, waiterKeys, ...state }, 0, state.waiterCount),
      waiterKeys: [...waiterKeys].sort()
    })
    fc.assert(
      fc.property(moves, (list) => {
        const { history, state } = play(list, () => {})
        assert.deepStrictEqual(comparable(fold(...history.map(back))), comparable(state))
      }),
      { numRuns: 200 }
    )
  })

  it("can always be shown, and what is shown is JSON", () => {
    always(({ after }) => {
      const shown = view(after, 1)
      assert.deepStrictEqual(JSON.parse(JSON.stringify(shown)).status, after.status)
      assert.isAtMost(shown.waiters.length, 100)
    })
  })
})
