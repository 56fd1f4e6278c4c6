import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as fc from "fast-check"
import type { Command, Unstamped } from "../../src/domain/run/RunCommands.ts"
import { decider, waitsOn } from "../../src/domain/run/RunDecide.ts"
import * as RunDemand from "../../src/domain/run/RunDemand.ts"
import { type Event, Event as RunEvent } from "../../src/domain/run/RunEvents.ts"
import { settle } from "../../src/domain/run/RunFanOut.ts"
import { allSteps, type State, step, stepDefinition } from "../../src/domain/run/RunState.ts"
import { view } from "../../src/domain/run/RunView.ts"
import {
  badly,
  fold,
  generation,
  healing,
  missing,
  outage,
  part,
  permanent,
  requested,
  transient,
  workflow
} from "./RunScenario.ts"

/**
 * Every rule is checked after every command of a generated list: what the actors could send in any order, late, twice
 * or to the wrong step, in a graph of four steps with small budgets so that each bound is reached.
 */
const maxAttempts = 3
const ceilingPerRun = 2
const settings = {
  recovery: { ceilingPerRun },
  retryPolicy: { maxAttempts, strategy: "fixed", initialDelayMs: 50, jitter: "none" }
}
const definition = workflow([
  { id: "a", ...settings },
  { id: "b", dependsOn: ["a"], ...settings },
  { id: "c", dependsOn: ["a"], ...settings },
  {
    ...{ id: "f", type: "fanOut", over: "{{ parameters.items }}" },
    ...{ concurrency: 1, step: { jobSlug: "job", ...settings } }
  }
])
const parameters = { items: ["x", "y"] }
const stepIds = [...definition.steps.map(({ id }) => id), "f[0]", "f[1]"]

/** A command to be, once the attempt that it speaks of is known. */
type Move = { readonly wait: number; readonly slot: boolean; readonly command: (state: State) => Unstamped }

const stepId = fc.constantFrom(...stepIds, ...stepIds, "unknown")
const recoveryId = fc.constantFrom("r1", "r2", "r3", "r4", "r5")
/** Mostly the attempt that is current, sometimes an older one. */
const stale = fc.constantFrom(0, 0, 0, 0, 1)
const attemptOf = (state: State, id: string, older: number) => step(state, id).attempt - older
const failure = fc.constantFrom(
  transient,
  transient,
  missing,
  missing,
  { ...missing, class: "corrupt" as const },
  outage,
  permanent
)
const outcome = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ ok: true, produced: [], reads: [], unowned: [] } as const) },
  {
    weight: 2,
    arbitrary: fc.constant({ ok: true, result: { rows: 1 }, produced: [part], reads: [], unowned: [] } as const)
  },
  { weight: 5, arbitrary: fc.tuple(failure, fc.boolean()).map(([failed, heal]) => badly(failed, heal, 0.5)) }
)
const verdict = fc.oneof(
  { weight: 5, arbitrary: recoveryId.map((id) => ({ type: "wait" as const, waitingFor: healing(id) })) },
  {
    weight: 1,
    arbitrary: recoveryId.map((id) => ({
      type: "wait" as const,
      waitingFor: { ...healing(id), type: "input" as const }
    }))
  },
  {
    weight: 1,
    arbitrary: fc.constant({ type: "wait" as const, waitingFor: { type: "store" as const, store: "warehouse" } })
  },
  { weight: 1, arbitrary: fc.constant({ type: "retry" as const, random: 0.5 }) },
  { weight: 1, arbitrary: fc.constant({ type: "again" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "fail" as const, failure: missing }) }
)
const command: fc.Arbitrary<Move["command"]> = fc.oneof(
  { weight: 8, arbitrary: stepId.map((id) => () => ({ _tag: "BeginStep" as const, stepId: id, inputs: [] })) },
  {
    weight: 10,
    arbitrary: fc.tuple(stepId, outcome, stale).map(([id, ended, older]) => (state: State) => ({
      _tag: "EndStep" as const,
      stepId: id,
      attempt: attemptOf(state, id, older),
      outcome: ended
    }))
  },
  {
    weight: 6,
    arbitrary: fc.tuple(stepId, verdict, stale).map(([id, answer, older]) => (state: State) => ({
      _tag: "Locate" as const,
      stepId: id,
      attempt: attemptOf(state, id, older),
      verdict: answer
    }))
  },
  {
    weight: 3,
    arbitrary: fc.tuple(stepId, verdict).map(([id, answer]) => () => ({
      _tag: "BlockStep" as const,
      stepId: id,
      verdict: answer
    }))
  },
  {
    weight: 4,
    arbitrary: fc.tuple(stepId, stale).map(([id, older]) => (state: State) => ({
      _tag: "RecordOutputs" as const,
      stepId: id,
      attempt: attemptOf(state, id, older),
      generations: [generation]
    }))
  },
  {
    weight: 8,
    arbitrary: fc.tuple(stepId, recoveryId, fc.boolean()).map(([id, recovery, ok]) => (state: State) => ({
      _tag: "SettleRecovery" as const,
      stepId: id,
      // Mostly the one that the step waits for.
      recoveryId: step(state, id).waitingFor?.recoveryId ?? recovery,
      failure: ok ? undefined : missing
    }))
  },
  { weight: 1, arbitrary: recoveryId.map((id) => () => ({ _tag: "Recheck" as const, waitsOn: `recovery-${id}` })) },
  { weight: 2, arbitrary: fc.constant(() => ({ _tag: "ReleaseStore" as const, store: "warehouse" })) },
  { weight: 2, arbitrary: fc.constant(() => ({ _tag: "Tick" as const })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("crash" as const, "drain" as const).map((reason) => () => ({
      _tag: "Interrupt" as const,
      reason,
      processId: "p1",
      crashLimit: 3
    }))
  },
  { weight: 2, arbitrary: fc.constant(() => ({ _tag: "Recover" as const })) },
  { weight: 1, arbitrary: fc.constant(() => ({ _tag: "Pause" as const, reason: "operator" })) },
  { weight: 2, arbitrary: fc.constant(() => ({ _tag: "Resume" as const })) },
  { weight: 2, arbitrary: stepId.map((id) => () => ({ _tag: "RetryStep" as const, stepId: id })) },
  {
    weight: 1,
    arbitrary: fc.tuple(stepId, fc.boolean()).map(([id, force]) => () => {
      return { _tag: "SkipStep" as const, stepId: id, reason: "operator", result: { rows: 0 }, force }
    })
  },
  {
    weight: 1,
    arbitrary: fc.nat(9).map((back) => (state: State) => {
      return { _tag: "Restore" as const, checkpoint: state.checkpoint - (back % Math.max(1, state.checkpoint)) }
    })
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom("recovery" as const, "runKey" as const)
      .map((to) => () => ({ _tag: "ConfirmDelivery" as const, to }))
  },
  {
    weight: 1,
    arbitrary: fc.tuple(stepId, fc.constantFrom("a", "b")).map(([id, key]) => (state: State) => {
      const objects = [{ store: "warehouse", key }]
      return { _tag: "NoteOverwriting" as const, stepId: id, attempt: step(state, id).attempt, objects }
    })
  },
  { weight: 1, arbitrary: stepId.map((id) => (state: State) => confirmMoved(Object.keys(state.overwriting)[0] ?? id)) },
  { weight: 1, arbitrary: fc.constant(() => ({ _tag: "Read" as const })) }
)
const confirmMoved = (id: string) => ({ _tag: "ConfirmMoved" as const, stepId: id })
/** One list in ten is cut short by an operator. */
const cancel: Move = { wait: 0, slot: false, command: () => ({ _tag: "Cancel", reason: "operator" }) }
const move = fc.record({ wait: fc.constantFrom(0, 0, 50, 60, 700_000), slot: fc.boolean(), command })
const moves = fc
  .tuple(fc.array(move, { minLength: 1, maxLength: 120, size: "max" }), fc.nat(9), fc.array(move, { maxLength: 10 }))
  .map(([before, one, after]): ReadonlyArray<Move> => (one === 0 ? [...before, cancel, ...after] : before))

interface Step {
  readonly command: Command
  readonly before: State
  readonly events: ReadonlyArray<Event>
  readonly after: State
}

const first = requested(definition, {
  parameters,
  trigger: { type: "recovery", recoveryId: "r0", assetId: "x", partitionKey: "" },
  runKey: "key-1"
})

/** Plays the moves; `see` is shown each decision with all events up to it. */
const play = (list: ReadonlyArray<Move>, see: (taken: Step, history: ReadonlyArray<Event>) => void) => {
  const begun = settle(fold(first), 0)
  const history: Array<Event> = [first, ...begun.events]
  let { state } = begun
  let time = 0
  for (const { command, slot, wait } of list) {
    time += wait
    const stamped: Command = { ...command(state), now: time, slot }
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

const roundTrip = (event: Event): Event => {
  const { at, ...rest } = JSON.parse(JSON.stringify(event)) as Event & { definition?: unknown }
  delete rest.definition
  const stored = Schema.decodeUnknownSync(RunEvent)(rest)
  return (stored._tag === "RunRequested" ? { ...stored, definition, at } : { ...stored, at }) as Event
}

describe("Run, whatever is sent to it in whatever order", () => {
  it("the lists reach every event, so that the rules below are about something", () => {
    const seen = new Set<string>(["RunRequested", "StepSkipped", "StepExpanded"])
    always((_, history) => {
      for (const { _tag } of history.slice(-6)) seen.add(_tag)
    }, 1)
    assert.deepStrictEqual([...seen].sort(), Object.keys(RunEvent.cases).sort())
  })

  it("attempts of a step count up by one; its dependencies have finished before, and no step has failed for good", () => {
    always(({ before, events }) => {
      let state = before
      for (const event of events) {
        if (event._tag === "StepStarted" || event._tag === "StepExpanded") {
          assert.strictEqual(event.attempt, step(state, event.stepId).attempt + 1)
          const { dependsOn } = stepDefinition(state, event.stepId)!
          for (const id of dependsOn) assert.include(["succeeded", "skipped"], step(state, id).status)
          for (const id of stepIds) assert.notStrictEqual(step(state, id).status, "failed")
        }
        state = decider.evolve(state, event)
      }
    })
  })

  it("no step succeeds twice, recovered or not (F38); it is done again only where a restore says so (F46)", () => {
    always((_, history) => {
      const finished = new Set<string>()
      for (const event of history) {
        if (event._tag === "RunRestored") for (const id of event.rerun) finished.delete(id)
        if (event._tag !== "StepSucceeded" && event._tag !== "StepSkipped") continue
        assert.isFalse(finished.has(event.stepId), `${event.stepId} has finished before`)
        finished.add(event.stepId)
      }
    })
  })

  it("a restore keeps what had finished by the checkpoint, and says of every other end that it is superseded (F46)", () => {
    always(({ before, events }, history) => {
      const [event] = events
      if (event?._tag !== "RunRestored") return
      const all = [...allSteps(before)]
      assert.sameMembers(
        [...event.kept, ...event.rerun],
        all.map(([id]) => id)
      )
      for (const id of event.kept) assert.isAtMost(step(before, id).checkpoint ?? 0, event.checkpoint)
      const ends = all.filter(
        ([, { children, status }]) => children === undefined && /succeeded|recording/.test(status)
      )
      const lost = ends.flatMap(([id]) => (event.kept.includes(id) ? [] : [id]))
      assert.sameMembers(
        event.superseded.map(({ stepId }) => stepId),
        lost
      )
      // What depends on something that is done again is done again too.
      for (const { dependsOn, id } of definition.steps) {
        // A skipped step may have been finished before them.
        if (step(before, id).status === "skipped") continue
        if (dependsOn.some((dependency) => event.rerun.includes(dependency))) assert.include(event.rerun, id)
      }
      assert.isAtLeast(history.length, 1)
    })
  })

  it("a step ends only in the attempt that is current", () => {
    always(({ before, events }) => {
      let state = before
      for (const event of events) {
        if (event._tag === "StepSucceeded" || event._tag === "StepOutputsRecorded" || event._tag === "StepFailed") {
          assert.strictEqual(event.attempt, step(state, event.stepId).attempt)
        }
        state = decider.evolve(state, event)
      }
    })
  })

  it("an ended run demands nothing but to record, to deliver and to move aside, and logs nothing else until it is recovered", () => {
    always(({ after, before, events }) => {
      if (after.ended !== null) {
        for (const { _tag } of RunDemand.demands(after)) assert.include(["Record", "Deliver", "MoveAside"], _tag)
      }
      if (before.ended === null || events.length === 0) return
      const allowed = [
        ...["RunRecovered", "RunRestored", "StepOutputsRecorded", "RunOutcomeDelivered", "StepLeftOversMoved"],
        ...(before.ended === "failed" ? ["StepSkipped"] : [])
      ]
      assert.include(allowed, events[0]!._tag)
    })
  })

  it("a run that has not ended demands something or says what it waits for; one that failed ends at once", () => {
    always(({ after }) => {
      if (after.ended !== null) return
      const statuses = stepIds.map((id) => step(after, id).status)
      if (statuses.includes("failed")) assert(statuses.includes("executing") || statuses.includes("recording"))
      const waits = RunDemand.waitsOnKeys(after)
      const isHeld = after.paused !== undefined
      assert(RunDemand.demands(after).length > 0 || waits !== null || isHeld, JSON.stringify(after.steps))
    })
  })

  it("a paused run begins no step, expands no fan-out and demands nothing that would (F45)", () => {
    always(({ after, before, events }) => {
      if (before.paused !== undefined && events[0]?._tag !== "RunResumed") {
        for (const { _tag } of events) assert.notInclude(["StepStarted", "StepExpanded"], _tag)
      }
      if (after.paused === undefined) return
      assert.isNull(after.ended)
      for (const { _tag } of RunDemand.demands(after)) assert.include(["Execute", "Record"], _tag)
    })
  })

  it("no step waits without the name of what it waits for, and all but store waits have a deadline (F30)", () => {
    always(({ after }) => {
      for (const id of stepIds) {
        const current = step(after, id)
        if (current.status !== "waiting") continue
        const key = waitsOn(current)
        assert.match(key ?? "", /^(recovery-r\d|store:warehouse)$/)
        assert.include(RunDemand.waitsOnKeys(after) ?? [], key)
        if (current.waitingFor?.type !== "store") assert.isNumber(current.deadlineAt)
      }
    })
  })

  it("retries stay within the policy, counted afresh only by recover, retry and restore (F41)", () => {
    always((_, history) => {
      const retries = new Map<string, number>()
      for (const event of history) {
        if (event._tag === "RunRecovered" || event._tag === "RunRestored") {
          const fresh = event._tag === "RunRecovered" ? (event.fresh ?? event.rerun) : event.rerun
          for (const id of fresh) retries.delete(id)
        }
        if (event._tag === "StepResumed" && event.fresh === true) retries.delete(event.stepId)
        if (event._tag !== "StepRetryScheduled") continue
        retries.set(event.stepId, (retries.get(event.stepId) ?? 0) + 1)
        assert.strictEqual(event.retry, retries.get(event.stepId))
        assert.isBelow(event.retry, maxAttempts)
      }
    })
  })

  it("a fan-out goes on while a child of it does: it ends after them, and a wait fails nothing (T14)", () => {
    always(({ after }) => {
      const children = stepIds.slice(4).map((id) => step(after, id).status)
      const { status } = step(after, "f")
      const active = children.filter((child) => ["executing", "recording", "locating", "retrying"].includes(child))
      assert.isAtMost(active.length, 1)
      const isDone = (child: string) => child === "succeeded" || child === "skipped"
      if (status === "succeeded") assert.isTrue(children.every(isDone))
      // Of a run that has failed, a child may be skipped before the rest is decided on.
      if (status === "failed" && after.ended === null) assert.include(children, "failed")
      if (status === "expanded" && children.every(isDone)) assert.fail("it did not end")
    })
  })

  it("heals stay within the ceiling of the run, whatever succeeds, fails or is recovered in between (T34)", () => {
    always(({ after, before }, history) => {
      assert.isAtMost(after.heals, ceilingPerRun)
      assert.isAtLeast(after.heals, before.heals)
      const byRun = new Set<string>()
      const byStep = new Set<string>()
      let caused = 0
      for (const event of history) {
        if (event._tag !== "StepSuspended" || event.waitingFor.recoveryId === undefined) continue
        const { recoveryId: id, type } = event.waitingFor
        if (type === "recovery") {
          // To wait again for a recovery that one has waited for is to have it opened again.
          if (!byRun.has(id) || byStep.has(`${event.stepId}/${id}`)) caused++
          byRun.add(id)
        }
        byStep.add(`${event.stepId}/${id}`)
      }
      assert.strictEqual(after.heals, caused)
    })
  })

  it("messages between actors are idempotent: sent again after their events they change nothing", () => {
    always(({ after, command }) => {
      if (
        !["SettleRecovery", "RecordOutputs", "ConfirmDelivery", "ConfirmMoved", "Recheck", "ReleaseStore"].includes(
          command._tag
        )
      )
        return
      const again = decider.decide({ ...command, slot: false }, after)
      assert.deepStrictEqual(again, Result.succeed([]))
    })
  })

  it("one end of a recovery excuses at most one wait for it (T35)", () => {
    always(({ before, events }) => {
      let state = before
      for (const event of events) {
        if (event._tag === "StepResumed" && event.reason === "settled") {
          assert.include(step(state, event.stepId).settled ?? [], event.recoveryId)
          assert.notInclude(step(decider.evolve(state, event), event.stepId).settled ?? [], event.recoveryId)
        }
        if (event._tag === "StepStarted") {
          assert.strictEqual(step(decider.evolve(state, event), event.stepId).settled, undefined)
        }
        state = decider.evolve(state, event)
      }
    })
  })

  it("the run's failure is that of the first step that failed for good (F50, T12)", () => {
    always((_, history) => {
      const since = history.slice(history.findLastIndex(({ _tag }) => /^Run(Recovered|Restored)$/.test(_tag)) + 1)
      const cause = since.find((event) => event._tag === "StepFailed" && event.final)
      const end = since.find((event) => event._tag === "RunFailed")
      if (end?._tag !== "RunFailed") return
      assert(cause?._tag === "StepFailed")
      assert.deepStrictEqual(
        { stepId: end.stepId, failure: end.failure },
        { stepId: cause.stepId, failure: cause.failure }
      )
    })
  })

  it("the keys of its demands are unique, and it is to be woken exactly when it demands something", () => {
    always(({ after, command }) => {
      const demands = RunDemand.demands(after)
      assert.strictEqual(new Set(demands.map(RunDemand.key)).size, demands.length)
      assert.isAtMost(demands.length, 2 * stepIds.length + 2)
      const wakeAt = RunDemand.wakeAt(after, command.now)
      // Of what may be written over a process must know before it is read, also while the run is paused.
      assert.strictEqual(wakeAt === null, demands.length === 0 && Object.keys(after.overwriting).length === 0)
    })
  })

  it("is the same run read back from the log as JSON (F38)", () => {
    fc.assert(
      fc.property(moves, (list) => {
        const { history, state } = play(list, () => {})
        assert.deepStrictEqual(fold(...history.map(roundTrip)), state)
      }),
      { numRuns: 200 }
    )
  })

  it("can always be shown, and what is shown is JSON", () => {
    always(({ after }) => {
      const shown = view(after, 1)
      const isExpanded = after.steps.f?.children !== undefined
      assert.deepStrictEqual(
        shown.steps.map(({ id }) => id),
        isExpanded ? stepIds : stepIds.slice(0, 4)
      )
      assert.isString(JSON.stringify(shown))
      // A paused run of which no step executes waits for its resumption, whatever its steps do.
      if (shown.status === "waiting" && !shown.paused) {
        assert(shown.steps.some(({ status }) => status === "waiting"))
      }
      if (shown.status === "waiting") assert(shown.steps.every(({ status }) => status !== "running"))
    })
  })
})
