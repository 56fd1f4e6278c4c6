import { Clock, Effect, Result } from "effect"
import type { Action, ItemResult, Target } from "../domain/bulk/BulkEvents.ts"
import { retryOf } from "../domain/bulk/BulkRetry.ts"
import { listedMax } from "../domain/bulk/BulkView.ts"
import * as RecoveryDecide from "../domain/recovery/RecoveryDecide.ts"
import { IllegalTransition, type Unstamped } from "../domain/run/RunCommands.ts"
import * as RunDecide from "../domain/run/RunDecide.ts"
import { statusOf } from "../domain/run/RunView.ts"
import type { EventStore } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { refusedAs, staleResult } from "./BulkItem.ts"
import { NotFound } from "./Engine.ts"
import * as RunCopies from "./RunCopies.ts"

const looksAtOnce = 16

/** What a bulk operation would do, as things are now. */
export interface BulkPlan {
  readonly target: Target
  readonly action: Action
  readonly total: number
  readonly more: boolean
  readonly wouldDo: number
  readonly wouldSkip: number
  /** The first 100 ids of those that it would be done to. */
  readonly ids: ReadonlyArray<string>
  /** The first 100 that would be skipped, and why. */
  readonly skipped: ReadonlyArray<{ readonly id: string; readonly code: string; readonly message: string }>
}

/** A dry run: asks the rules of each item's actor, and tells nobody anything. */
export const make = Effect.fnUntraced(function* (log: EventStore["Service"]) {
  const runs = yield* Actors.run.client
  const recoveries = yield* Actors.recovery.client
  const copies = yield* RunCopies.make(log)

  const ofRun = Effect.fnUntraced(function* (action: Action, id: string, now: number) {
    const { state } = yield* Effect.orDie(runs.execute(id, { _tag: "Read" }))
    if (state.definition === null) return refusedAs(new NotFound({ kind: "run", id }))
    if (action === "replay") {
      const inputs = yield* copies.stale(state)
      return inputs.length === 0 ? null : staleResult(inputs)
    }
    if (action === "retry" && retryOf(state) === null) {
      return refusedAs(new IllegalTransition({ command: "retry", status: statusOf(state) }))
    }
    if (action === "retry") return null
    const decided = RunDecide.decider.decide({ ...runCommand(action), now, slot: false }, state)
    return Result.isFailure(decided) ? refusedAs(decided.failure) : null
  })

  const ofRecovery = Effect.fnUntraced(function* (action: Action, id: string, now: number) {
    const { state } = yield* Effect.orDie(recoveries.execute(id, { _tag: "Read" }))
    if (state.round === 0) return refusedAs(new NotFound({ kind: "recovery", id }))
    const decided = RecoveryDecide.decider.decide({ ...recoveryCommand(action), now }, state)
    return Result.isFailure(decided) ? refusedAs(decided.failure) : null
  })

  return Effect.fnUntraced(function* (
    target: Target,
    action: Action,
    { ids, more }: { readonly ids: ReadonlyArray<string>; readonly more: boolean }
  ) {
    const now = yield* Clock.currentTimeMillis
    const look = target === "runs" ? ofRun : ofRecovery
    const found: ReadonlyArray<ItemResult | null> = yield* Effect.forEach(ids, (id) => look(action, id, now), {
      concurrency: looksAtOnce
    })
    const fit = ids.filter((_, index) => found[index] === null)
    const skipped = ids.flatMap((id, index) => {
      const { code = "", message = "" } = found[index] ?? {}
      return found[index] === null ? [] : [{ id, code, message }]
    })
    const plan: BulkPlan = {
      ...{ target, action, total: ids.length, more, wouldDo: fit.length, wouldSkip: skipped.length },
      ids: fit.slice(0, listedMax),
      skipped: skipped.slice(0, listedMax)
    }
    return plan
  })
})

const runCommand = (action: Exclude<Action, "retry" | "replay">): Unstamped => {
  switch (action) {
    case "cancel":
      return { _tag: "Cancel", reason: "" }
    case "recover":
      return { _tag: "Recover" }
    case "pause":
      return { _tag: "Pause", reason: "" }
    case "resume":
      return { _tag: "Resume" }
  }
}

/** Whoever asks has made sure that recoveries know the action. */
const recoveryCommand = (action: Action): RecoveryDecide.Unstamped =>
  action === "retry"
    ? { _tag: "Retry" }
    : action === "pause"
      ? { _tag: "Pause", reason: "" }
      : action === "resume"
        ? { _tag: "Resume" }
        : { _tag: "Cancel", reason: "" }
