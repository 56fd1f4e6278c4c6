import { Clock, Effect, Exit, Random } from "effect"
import type { Failure } from "../domain/Failure.ts"
import type { UsedInput } from "../domain/Production.ts"
import * as Asset from "../domain/Asset.ts"
import * as Id from "../domain/Id.ts"
import * as MaterializationDecide from "../domain/materialization/MaterializationDecide.ts"
import type { Command, Rejection, Unstamped } from "../domain/run/RunCommands.ts"
import { decider } from "../domain/run/RunDecide.ts"
import * as RunDemand from "../domain/run/RunDemand.ts"
import * as RunEvents from "../domain/run/RunEvents.ts"
import type { Listener } from "../domain/run/RunEvents.ts"
import { type State, step, stepDefinition, stepsIn } from "../domain/run/RunState.ts"
import { pulledForOf } from "../domain/Trigger.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import type { RecordedEvent } from "../eventstore/EventStore.ts"
import type { Behaviour, Commit } from "./Behaviour.ts"
import * as Actors from "./Actors.ts"
import { Definitions, getOrDie } from "./Definitions.ts"
import { Inputs } from "./Inputs.ts"
import { JobRunner } from "./JobRunner.ts"
import { LeftOvers } from "./LeftOvers.ts"
import { Limits } from "./Limits.ts"
import { Locate } from "./Locate.ts"
import { RecentWrites } from "./RecentWrites.ts"
import { healsStep, RecoveryEnabled } from "./RecoverySettings.ts"
import * as RunTrace from "./RunTrace.ts"
import { RunEnds } from "./RunEnds.ts"
import * as StepTrace from "./StepTrace.ts"
import * as RunMetrics from "./RunMetrics.ts"
import { sleepUntil } from "./sleepUntil.ts"
import { Slots } from "./Slots.ts"
import { WorkflowPauses } from "./WorkflowPauses.ts"

const codec = EventCodec.make(RunEvents.Event, {})

/** Stored form of a run's event: the time goes to the envelope, the pinned definition stays out. */
export const encode = (event: RunEvents.Event) => {
  if (event._tag !== "RunRequested") return codec.encode(event)
  const { definition: _, ...stored } = event
  return codec.encode(stored)
}

/** Decodes a run's event; the pinned definition must be in `definitions`. */
export const decode = (definitions: Definitions["Service"], recorded: RecordedEvent): RunEvents.Event => {
  const event = { ...codec.decode(recorded), at: recorded.recordedAt }
  if (event._tag !== "RunRequested") return event
  return { ...event, definition: getOrDie(definitions, event.workflow, event.version).definition }
}

/** How long the asset is fresh, as the run's pinned definition says. */
const declaredFreshness = (run: State, stepId: string, assetId: string) =>
  stepDefinition(run, stepId)?.produces.find((produces) => Id.assetKey(produces.assetId) === Id.assetKey(assetId))
    ?.freshness

/** Commands after which a step may begin in the same decision, if a slot is free. */
const mayBegin = (command: Unstamped): boolean => {
  switch (command._tag) {
    case "Start":
    case "EndStep":
    case "RecordOutputs":
    case "ReleaseStore":
    case "SettleRecovery":
      return true
    default:
      return false
  }
}

export interface Options {
  readonly processId: string
  readonly crashLimit: number
}

/** The WorkflowRun actor: drives the step graph (DESIGN, section 3). */
export const make = (options: Options) =>
  Effect.gen(function* () {
    const definitions = yield* Definitions
    const slots = yield* Slots
    const ends = yield* RunEnds
    const limits = yield* Limits
    const inputs = yield* Inputs
    const locate = yield* Locate
    const jobs = yield* JobRunner
    const leftOvers = yield* LeftOvers
    const recentWrites = yield* RecentWrites
    const assets = yield* Actors.asset.client
    const recoveries = yield* Actors.recovery.client
    const runKeys = yield* Actors.runKey.client
    const materializations = yield* Actors.materialization.client
    const backfills = yield* Actors.backfill.client
    const enabled = yield* RecoveryEnabled
    const noteEnd = yield* RunMetrics.make
    const pauses = yield* WorkflowPauses

    type Send = Commit<State, Unstamped, Rejection>
    const heals = (run: State, stepId: string) => healsStep(enabled, run.definition, stepId)
    const limitOf = (run: State) => run.definition?.concurrency
    /** Of one attempt: the slot that an ended attempt gives back must not be the next one's. */
    const holder = (run: State, stepId: string, attempt: number) => `${run.runId}/${stepId}/${attempt}`

    const begin = Effect.fnUntraced(function* (run: State, demand: RunDemand.Demand & { _tag: "Begin" }, commit: Send) {
      const { dueAt, stepId } = demand
      if (dueAt !== undefined) yield* sleepUntil(dueAt)
      yield* pauses.resumed(run.workflow)
      const ensured = yield* inputs.ensure(run, stepId, heals(run, stepId))
      if (ensured.type === "blocked") return yield* commit({ _tag: "BlockStep", stepId, verdict: ensured.verdict })
      const start = Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(slots.acquire(run.runId, run.priority)), () => {
          slots.keep(run.runId)
          return Effect.ensuring(
            restore(commit({ _tag: "BeginStep", stepId, inputs: ensured.inputs })),
            Effect.sync(() => slots.unpin(run.runId))
          )
        })
      )
      const capacity = limitOf(run)
      return yield* capacity === undefined ? start : limited(run, stepId, demand.attempt, capacity, start)
    })

    /** Begins a step within its workflow's limit; whatever keeps it from beginning gives the slot back. */
    const limited = (run: State, stepId: string, attempt: number, capacity: number, start: ReturnType<Send>) => {
      const name = run.workflow
      const held = holder(run, stepId, attempt)
      return Effect.uninterruptibleMask((restore) =>
        Effect.andThen(
          restore(limits.acquire(name, { holder: held, priority: run.priority, capacity })),
          Effect.onExit(restore(limits.during(name, held, start)), (exit) =>
            Exit.isSuccess(exit) && step(exit.value.state, stepId).status === "executing"
              ? Effect.void
              : Effect.ignore(limits.release(name, held))
          )
        )
      )
    }

    /** One execution, and whether what it misses is healed: at every level, the asset's own included (F40). */
    const attempted = (run: State, stepId: string, attempt: number) =>
      Effect.flatMap(jobs.execute(run, stepId, attempt), (outcome) => {
        if (outcome.ok || !heals(run, stepId)) return Effect.succeed(outcome.ok ? outcome : { ...outcome, heal: false })
        return Effect.map(locate.isOff(run, stepId, outcome.failure), (off) => ({ ...outcome, heal: !off }))
      })

    type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    const executeIn = Effect.fnUntraced(function* (
      restore: Restore,
      run: State,
      stepId: string,
      attempt: number,
      commit: Send
    ) {
      yield* restore(slots.acquire(run.runId, run.priority))
      const outcome = yield* Effect.onExit(
        restore(StepTrace.attempt(run, stepId, attempt, attempted(run, stepId, attempt))),
        (exit) =>
          Effect.sync(() => {
            if (exit._tag === "Failure") slots.release()
            else slots.handOver(run.runId, run.priority)
          })
      )
      yield* Effect.ensuring(
        restore(commit({ _tag: "EndStep", stepId, attempt, outcome })),
        Effect.sync(() => slots.unpin(run.runId))
      )
    })

    const execute = (run: State, stepId: string, attempt: number, commit: Send) => {
      const executed = Effect.uninterruptibleMask((restore) => executeIn(restore, run, stepId, attempt, commit))
      if (limitOf(run) === undefined) return executed
      const held = holder(run, stepId, attempt)
      return Effect.ensuring(
        limits.during(run.workflow, held, executed),
        Effect.ignore(limits.release(run.workflow, held))
      )
    }

    const record = Effect.fnUntraced(function* (run: State, stepId: string, attempt: number, commit: Send) {
      const { inputs: used, produced, reads } = step(run, stepId)
      const recoveryId = run.trigger.type === "recovery" ? run.trigger.recoveryId : undefined
      const generations: Array<UsedInput> = []
      for (const { assetId, freshness, partitionKey, parts, payload, producedAt } of produced) {
        const by = { runId: run.runId, stepId, attempt }
        const { state } = yield* assets.execute(Id.asset(assetId, partitionKey), {
          _tag: "Produce",
          assetId,
          partitionKey,
          workflow: run.workflow,
          version: run.version,
          ...by,
          parameters: run.parameters,
          runPartitionKey: run.partitionKey,
          inputs: used,
          reads,
          payload,
          parts,
          producedAt,
          recoveryId,
          pulledFor: pulledForOf(run.trigger),
          freshness: freshness ?? declaredFreshness(run, stepId, assetId)
        })
        const generation = Asset.generationOf(state, by) ?? Asset.currentGeneration(state)
        generations.push({ assetId, partitionKey, generation })
      }
      return yield* commit({ _tag: "RecordOutputs", stepId, attempt, generations })
    })

    const report = Effect.fnUntraced(function* (run: State, stepId: string, attempt: number, commit: Send) {
      const unknown: Failure = { class: "asset_missing", code: "unknown", message: "the failure was not recorded" }
      const verdict = yield* locate.locate(run, stepId, step(run, stepId).failure ?? unknown)
      return yield* commit({ _tag: "Locate", stepId, attempt, verdict })
    })

    /** With recovery off since it was noted nothing is touched: it stays as a plain engine leaves it (F40). */
    const moveAside = Effect.fnUntraced(function* (run: State, stepId: string, commit: Send) {
      const objects = heals(run, stepId) ? (run.overwriting[stepId] ?? []) : []
      yield* leftOvers.clear({ runId: run.runId, stepId }, objects)
      return yield* commit({ _tag: "ConfirmMoved", stepId })
    })

    const deliver = Effect.fnUntraced(function* (run: State, to: Listener, commit: Send) {
      if (to === "recovery" && run.trigger.type === "recovery") {
        const canceled: Failure = { class: "permanent", code: "canceled", message: run.cancelReason || "canceled" }
        const failure = run.ended === "succeeded" ? undefined : (run.failure ?? canceled)
        const told = recoveries.execute(run.trigger.recoveryId, {
          _tag: "EndProducer",
          producerRunId: run.runId,
          failure,
          unowned: failure?.code === "no_producer" && failure.asset === undefined,
          random: yield* Random.next
        })
        // A recovery that no longer knows this run has nothing to learn from it.
        yield* Effect.ignore(told)
      }
      if (to === "materialization" && run.ended !== null) {
        const id = MaterializationDecide.idOf(run.workflow, run.partitionKey ?? "")
        const { ended: outcome, failure, runId } = run
        yield* materializations.execute(id, { _tag: "EndRun", runId, outcome, failure })
      }
      if (to === "backfill" && run.trigger.type === "backfill" && run.ended !== null) {
        const { ended: outcome, failure, runId, trigger } = run
        // A trigger that names no backfill has nobody to tell.
        yield* Effect.ignore(backfills.execute(trigger.backfillId, { _tag: "EndRun", runId, outcome, failure }))
      }
      if (to === "runKey" && run.runKey !== undefined) {
        const now = yield* Clock.currentTimeMillis
        yield* runKeys.execute(Id.runKey(run.workflow, run.runKey), { _tag: "RunEnded", runId: run.runId, now })
      }
      return yield* commit({ _tag: "ConfirmDelivery", to })
    })

    const behaviour: Behaviour<State, Unstamped, Command, RunEvents.Event, Rejection, RunDemand.Demand> = {
      category: "run",
      decider,
      encode,
      decode: (recorded) => decode(definitions, recorded),
      stamp: (command, now, actorId, run) => {
        const held = pauses.isPaused(command._tag === "Start" ? command.workflow : run.workflow)
        return { ...command, now, slot: !held && mayBegin(command) && slots.promise(actorId), held }
      },
      creates: (command) => command._tag === "Start",
      demands: RunDemand.demands,
      key: RunDemand.key,
      isResident: RunDemand.isResident,
      activity: (demand, run, commit) => {
        switch (demand._tag) {
          case "Begin":
            return begin(run, demand, commit)
          case "Execute":
            return execute(run, demand.stepId, demand.attempt, commit)
          case "Record":
            return record(run, demand.stepId, demand.attempt, commit)
          case "Report":
            return report(run, demand.stepId, demand.attempt, commit)
          case "MoveAside":
            return moveAside(run, demand.stepId, commit)
          case "Timer":
            return Effect.andThen(sleepUntil(demand.at), commit({ _tag: "Tick" }))
          case "Deliver":
            return deliver(run, demand.to, commit)
        }
      },
      wakeAt: RunDemand.wakeAt,
      waitsOn: RunDemand.waitsOnKeys,
      // Attempts in progress when the actor comes to life were cut off: by a crash, or with the shard it moved from.
      onActivate: (run) =>
        run.ended === null && stepsIn(run, "executing").length > 0
          ? { _tag: "Interrupt", reason: "crash", processId: options.processId, crashLimit: options.crashLimit }
          : null,
      onDrain: (run) =>
        run.ended === null && stepsIn(run, "executing").length > 0
          ? { _tag: "Interrupt", reason: "drain", processId: options.processId, crashLimit: options.crashLimit }
          : null,
      ended: (run, types) => {
        const ended = RunTrace.ended(run, types)
        if (ended !== null) noteEnd(run)
        return ended
      },
      settled: (actorId, run) => {
        slots.settle(actorId)
        recentWrites.settle(actorId, run)
        if (run.ended !== null) ends.note(actorId, run.ended)
      }
    }
    return behaviour
  })
