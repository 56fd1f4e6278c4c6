import { Clock, Duration, Effect, Random, Result } from "effect"
import * as Asset from "../domain/Asset.ts"
import { assetName, type AssetRef, type Failure } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import type { Part } from "../domain/Production.ts"
import { type Command, decider, type Rejection, type Unstamped } from "../domain/recovery/RecoveryDecide.ts"
import * as RecoveryDemand from "../domain/recovery/RecoveryDemand.ts"
import * as RecoveryEvents from "../domain/recovery/RecoveryEvents.ts"
import { type State, waiters } from "../domain/recovery/RecoveryState.ts"
import { allSteps, step } from "../domain/run/RunState.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import type { RecordedEvent } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { AssetCheck, type Reality } from "./AssetCheck.ts"
import type { Behaviour, Commit } from "./Behaviour.ts"
import { Definitions } from "./Definitions.ts"
import { RecoveryDesk } from "./RecoveryDesk.ts"
import * as RecoveryParts from "./RecoveryParts.ts"
import { planSteps, RecoveryPlanner, rootCause } from "./RecoveryPlanner.ts"
import * as RecoveryWaiters from "./RecoveryWaiters.ts"
import * as Trace from "../eventstore/Trace.ts"
import * as ActorTrace from "./ActorTrace.ts"
import * as RecoveryTrace from "./RecoveryTrace.ts"
import { sleepUntil } from "./sleepUntil.ts"
import * as SourceRecheck from "./SourceRecheck.ts"
import { StoreHealth } from "./StoreHealth.ts"

export const codec = EventCodec.make(RecoveryEvents.Event, {})
export const decode = (recorded: RecordedEvent): RecoveryEvents.Event => ({
  ...codec.decode(recorded),
  at: recorded.recordedAt
})

/** Losses that come in a burst are looked at together: one lost bucket is one plan over many assets. */
const coalesceMs = 50
/** Waiters told at once, and the least time that a batch of `releaseBatchMax` takes. */
const releasesAtOnce = 16
const releaseBatchMs = 100

/** The Recovery actor: heals one lost generation of one asset partition (DESIGN, section 3). */
export const make = Effect.gen(function* () {
  const runs = yield* Actors.run.client
  const recoveries = yield* Actors.recovery.client
  const assetActors = yield* Actors.asset.client
  const assets = yield* AssetCheck
  const desk = yield* RecoveryDesk
  const planner = yield* RecoveryPlanner
  const definitions = yield* Definitions
  const health = yield* StoreHealth
  const { isIntact, lostParts, restoreFromCopies } = yield* RecoveryParts.make
  const { isMadeByOthers, pulledFor } = yield* RecoveryWaiters.make
  const source = yield* SourceRecheck.make

  type Send = Commit<State, Unstamped, Rejection>
  const refOf = ({ assetId, partitionKey }: State): AssetRef => ({ assetId, partitionKey })

  const recordCopy = Effect.fnUntraced(function* (
    recovery: State,
    latest: Asset.Generation,
    parts: ReadonlyArray<Part>
  ) {
    const { contentChanged: _c, generation: _g, recoveryId: _r, restored: _s, ...provenance } = latest
    const productionKey = `copy/${recovery.recoveryId}/${recovery.round}`
    const by = { ...provenance, productionKey }
    const { state } = yield* assetActors.execute(Id.asset(latest.assetId, latest.partitionKey), {
      _tag: "Produce",
      ...provenance,
      productionKey,
      producedAt: yield* Clock.currentTimeMillis,
      parts,
      recoveryId: recovery.recoveryId
    })
    return Asset.generationOf(state, by) ?? Asset.currentGeneration(state)
  })

  /** Asks for the recoveries of the missing inputs, and waits on them as one more waiter. */
  const joinParents = Effect.fnUntraced(function* (
    recovery: State,
    parents: ReadonlyArray<{ readonly ref: AssetRef; readonly generation: number }>,
    commit: Send
  ) {
    const ids: Array<string> = []
    for (const { generation, ref } of parents) {
      const recoveryId = Id.recovery(ref.assetId, ref.partitionKey, generation)
      const { priority } = recovery
      const joined = yield* desk.join({
        ref,
        generation,
        waiter: { recoveryId: recovery.recoveryId },
        priority,
        reopen: recovery.round > 1
      })
      ids.push(recoveryId)
      if (joined.status === "succeeded") yield* commit({ _tag: "SettleParent", recoveryId })
      if (joined.status === "failed" || joined.status === "canceled") {
        yield* commit({ _tag: "SettleParent", recoveryId, failure: joined.failure ?? undefined })
      }
    }
    return ids
  })

  /** Waits for a store that is away; one that the app no longer names never comes back. */
  const standBy = (
    recovery: State,
    round: number,
    { failure, store }: { readonly failure: Failure; readonly store: string },
    commit: Send
  ) => {
    if (failure.code !== "unknown_store") return health.awaitReady(store)
    const ref = refOf(recovery)
    const message = `${assetName(ref)} cannot be recovered: ${failure.message}`
    const gone: Failure = { class: "asset_missing", code: "producer_gone", message, asset: ref }
    return commit({ _tag: "Reject", round, reasonCode: "producer_gone", failure: gone })
  }

  const plan = (recovery: State, round: number, commit: Send) =>
    Effect.gen(function* () {
      const ref = refOf(recovery)
      if (round > 1) yield* cancelRun(recovery.producerRunId, "the recovery was opened afresh")
      yield* Effect.sleep(Duration.millis(coalesceMs))
      let reality: Reality = yield* assets.check(ref, { reportedBy: recovery.recoveryId })
      const lost = reality.state.latest?.parts[0]?.store
      // Many losses at once are a sign of the store: healing begins only after the settle time and a second look.
      if (lost !== undefined && (yield* health.settle(lost))) {
        reality = yield* assets.check(ref, { reportedBy: recovery.recoveryId })
      }
      if (reality.status === "unavailable") return yield* standBy(recovery, round, reality, commit)
      const { latest } = reality.state
      if (SourceRecheck.isThere(recovery, reality)) {
        const generation = Asset.currentGeneration(reality.state)
        return yield* commit({ _tag: "Restore", round, via: "found", generation, contentChanged: false })
      }
      // Whose run is under way makes it, and is not run a second time beside itself: look again when that has ended.
      if (yield* isMadeByOthers(recovery)) return
      // What a source has put there and not announced yet must not be overwritten.
      const isReplaced = reality.status === "missing" && reality.replaced !== undefined
      if (latest !== null && !recovery.refresh && !isReplaced) {
        const parts = yield* Effect.orElseSucceed(restoreFromCopies(latest), () => null)
        if (parts !== null) {
          const generation = yield* recordCopy(recovery, latest, parts)
          return yield* commit({ _tag: "Restore", round, via: "copy", generation, contentChanged: false })
        }
      }
      const found = yield* planner.plan(ref, { refresh: recovery.refresh })
      if (found.type === "present") return
      if (found.type === "unavailable") return yield* standBy(recovery, round, found, commit)
      if (found.type === "unrecoverable") {
        const { message, reasonCode, rootCause } = found
        const failure: Failure = { class: "asset_missing", code: reasonCode, message, asset: ref }
        return yield* commit({ _tag: "Reject", round, reasonCode, failure, rootCause })
      }
      const { planned } = found
      const parents = yield* joinParents(recovery, planned.missing, commit)
      for (const parent of parents) {
        if (!(yield* desk.waitsFor(parent, recovery.recoveryId))) continue
        const message = `${assetName(ref)} cannot be recovered: its recovery would wait for itself`
        const failure: Failure = { class: "asset_missing", code: "cycle", message, asset: ref }
        return yield* commit({ _tag: "Reject", round, reasonCode: "cycle", failure })
      }
      return yield* commit({
        _tag: "Plan",
        round,
        planned: {
          class: planned.class,
          rootCause: rootCause(planned),
          plan: planSteps(planned),
          producer: planned.producer,
          ...(planned.recheck === undefined ? {} : { recheck: planned.recheck }),
          parents,
          ...planned.settings
        }
      })
    })

  /** The producer's run of an attempt that was given up may still execute: it ends before another begins. */
  const cancelRun = (runId: string | null, reason: string) =>
    runId === null ? Effect.void : Effect.ignore(runs.execute(runId, { _tag: "Cancel", reason }))

  const startProducer = (recovery: State, attempt: number, commit: Send) =>
    Effect.gen(function* () {
      const { producer, producerRunId } = recovery
      if (producer === null || producerRunId === null) return
      if (attempt > 1) {
        yield* cancelRun(
          Id.ofParts("recovery-run", recovery.recoveryId, recovery.round, attempt - 1),
          "the recovery began another attempt"
        )
      }
      const defined = definitions.get(producer.workflow, producer.version)
      if (defined === undefined) return yield* Effect.die(new Error(`workflow ${producer.workflow} is not loaded`))
      const { priority } = recovery
      const whom = yield* pulledFor(recovery)
      const metadata = yield* ActorTrace.metadata
      const start = runs.execute(
        producerRunId,
        {
          _tag: "Start",
          runId: producerRunId,
          workflow: producer.workflow,
          version: producer.version,
          definition: defined.definition,
          parameters: producer.parameters,
          partitionKey: producer.partitionKey,
          trigger: {
            ...{ type: "recovery", recoveryId: recovery.recoveryId, ...refOf(recovery) },
            ...(whom.length === 0 ? {} : { pulledFor: whom })
          },
          // A recovery goes before equals of the best of its waiters.
          priority: Math.max(0, priority - 1),
          // A workflow that asks a source runs whole.
          ...(recovery.recheck !== null ? {} : { only: recovery.only, results: producer.results }),
          items: producer.item === undefined ? {} : { [producer.stepId]: producer.item }
        },
        metadata
      )
      yield* Effect.orDie(start)
      return yield* commit({ _tag: "ConfirmStart", attempt })
    })

  /** The time of an attempt does not run out while its producer waits for a store: no outage uses up a budget (F90). */
  const outlastOutage = (recovery: State) =>
    Effect.gen(function* () {
      while (recovery.producerRunId !== null) {
        const { state } = yield* Effect.orDie(runs.execute(recovery.producerRunId, { _tag: "Read" }))
        const waiting = [...allSteps(state)].find(
          ([, { status, waitingFor }]) => status === "waiting" && waitingFor?.type === "store"
        )
        const store = waiting?.[1].waitingFor?.store
        if (store === undefined) return
        yield* health.awaitReady(store)
        yield* Effect.sleep(Duration.millis(recovery.attemptTimeoutMs))
      }
    })

  const rejectOutput = (
    recovery: State,
    reasonCode: "output_absent" | "output_corrupt",
    why: string,
    commit: Send,
    code: string = reasonCode
  ) => {
    const ref = refOf(recovery)
    const message = `${assetName(ref)} was made again by run ${recovery.producerRunId}, which ended well, but ${why}`
    const failure: Failure = { class: "asset_missing", code, message, asset: ref }
    return commit({ _tag: "Reject", round: recovery.round, reasonCode, failure })
  }

  const verify = (recovery: State, commit: Send) =>
    Effect.gen(function* () {
      const reality = yield* assets.check(refOf(recovery), { reportedBy: recovery.recoveryId })
      if (reality.status === "unavailable") {
        yield* health.awaitReady(reality.store)
        return
      }
      const { latest } = reality.state
      const generation = Asset.currentGeneration(reality.state)
      if (recovery.refresh && latest !== null && reality.state.generations > generation) {
        const why = "its data is older than what there was"
        return yield* rejectOutput(recovery, "output_absent", why, commit, "input_too_old")
      }
      if (latest === null || generation <= recovery.lostGeneration) {
        return yield* rejectOutput(recovery, "output_absent", "it declared no such asset", commit)
      }
      if (reality.status !== "present") {
        // The producer's own parts were probed when its step succeeded: the new generation was there, and has been lost
        // since. That is a loss with a recovery of its own, which the waiters find when they look again.
        const { contentChanged } = latest
        return yield* commit({ _tag: "Restore", round: recovery.round, via: "producer", generation, contentChanged })
      }
      if (latest.parts.length === 0 && (yield* lostParts(refOf(recovery), recovery.lostGeneration)).length > 0) {
        return yield* rejectOutput(recovery, "output_absent", "it wrote nothing", commit)
      }
      const intact = yield* Effect.result(Effect.forEach(latest.parts, isIntact, { concurrency: 4 }))
      if (Result.isFailure(intact)) {
        if (intact.failure._tag === "StoreError") {
          yield* health.observe(intact.failure.failure)
          if (intact.failure.failure.class === "store_unavailable") {
            yield* health.awaitReady(intact.failure.failure.store ?? "")
          }
        }
        return
      }
      if (intact.success.includes(false)) {
        // Another run has written there since and is about to record it, or just has: look again.
        const isNewer = Asset.currentGeneration(yield* assets.read(refOf(recovery))) !== generation
        if (isNewer || (yield* isMadeByOthers(recovery))) return
        return yield* rejectOutput(recovery, "output_corrupt", "its bytes are not those that it wrote", commit)
      }
      const { contentChanged } = latest
      return yield* commit({ _tag: "Restore", round: recovery.round, via: "producer", generation, contentChanged })
    })

  /** Whether somebody still waits: asked of the waiters themselves, until one says so. */
  const isWanted = Effect.fnUntraced(function* (recovery: State) {
    for (const waiter of waiters(recovery, 0, recovery.waiterCount)) {
      if ("recoveryId" in waiter) {
        const { state } = yield* Effect.orDie(recoveries.execute(waiter.recoveryId, { _tag: "Read" }))
        if (state.parents.includes(recovery.recoveryId) || state.status === "requested") return true
        continue
      }
      const { state } = yield* Effect.orDie(runs.execute(waiter.runId, { _tag: "Read" }))
      const { status, waitingFor } = step(state, waiter.stepId)
      if (state.ended !== null) continue
      if (waitingFor?.recoveryId === recovery.recoveryId || status === "locating" || status === "pending") return true
    }
    return false
  })

  const nextAttempt = (recovery: State, attempt: number, dueAt: number, commit: Send) =>
    Effect.gen(function* () {
      yield* sleepUntil(dueAt)
      // Somebody may have put it back meanwhile, or an unrelated run made it.
      const reality = yield* assets.check(refOf(recovery), { reportedBy: recovery.recoveryId })
      if (reality.status === "unavailable") {
        yield* health.awaitReady(reality.store)
        return
      }
      if (SourceRecheck.isThere(recovery, reality)) {
        const generation = Asset.currentGeneration(reality.state)
        const { round } = recovery
        return yield* commit({ _tag: "Restore", round, via: "found", generation, contentChanged: false })
      }
      const asked = recovery.waiterCount
      return yield* commit({ _tag: "NextAttempt", attempt, wanted: yield* isWanted(recovery), asked })
    })

  const release = (recovery: State, from: number, to: number, commit: Send) =>
    Effect.gen(function* () {
      const failure = recovery.status === "succeeded" ? undefined : (recovery.failure ?? undefined)
      const { recoveryId } = recovery
      if (recovery.status !== "succeeded") yield* cancelRun(recovery.producerRunId, "the recovery has ended")
      const metadata = yield* ActorTrace.metadata
      const tell = Effect.forEach(
        waiters(recovery, from, to),
        (waiter) =>
          "recoveryId" in waiter
            ? Effect.ignore(
                recoveries.execute(waiter.recoveryId, { _tag: "SettleParent", recoveryId, failure }, metadata)
              )
            : Effect.ignore(
                runs.execute(
                  waiter.runId,
                  { _tag: "SettleRecovery", recoveryId, stepId: waiter.stepId, failure },
                  metadata
                )
              ),
        { concurrency: releasesAtOnce, discard: true }
      )
      const full = to - from >= RecoveryDemand.releaseBatchMax
      yield* full ? Effect.all([tell, Effect.sleep(Duration.millis(releaseBatchMs))], { concurrency: 2 }) : tell
      return yield* commit({ _tag: "Release", released: to })
    })

  const behaviour: Behaviour<State, Unstamped, Command, RecoveryEvents.Event, Rejection, RecoveryDemand.Demand> = {
    category: "recovery",
    decider,
    encode: codec.encode,
    decode,
    stamp: (command, now) => ({ ...command, now }),
    creates: () => false,
    demands: RecoveryDemand.demands,
    key: (demand, state) => RecoveryDemand.key(state, demand),
    isResident: RecoveryDemand.isResident,
    activity: (demand, recovery, commit) => {
      switch (demand._tag) {
        case "Plan":
          return Trace.span("recovery plan")(plan(recovery, demand.round, commit))
        case "StartProducer":
          return startProducer(recovery, demand.attempt, commit)
        case "AskSource":
          return source.ask(recovery, demand.attempt, commit)
        case "AwaitSource":
          return source.wait(recovery, commit)
        case "Verify":
          return Trace.span("recovery verify")(verify(recovery, commit))
        case "NextAttempt":
          return nextAttempt(recovery, demand.attempt, demand.dueAt, commit)
        case "Timer":
          return Effect.gen(function* () {
            yield* sleepUntil(demand.at)
            yield* outlastOutage(recovery)
            const seen = yield* source.outlast(recovery)
            return yield* commit({ _tag: "Tick", random: yield* Random.next, seen })
          })
        case "Release":
          return release(recovery, demand.from, demand.to, commit)
      }
    },
    ended: RecoveryTrace.ended,
    wakeAt: RecoveryDemand.wakeAt,
    waitsOn: RecoveryDemand.waitsOnKeys
  }
  return behaviour
})
