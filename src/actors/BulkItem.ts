import { Effect } from "effect"
import type { ItemResult } from "../domain/bulk/BulkEvents.ts"
import { retryOf } from "../domain/bulk/BulkRetry.ts"
import type { State } from "../domain/bulk/BulkState.ts"
import * as Id from "../domain/Id.ts"
import { IllegalRecoveryTransition } from "../domain/recovery/RecoveryDecide.ts"
import { IllegalTransition, type NotOptional } from "../domain/run/RunCommands.ts"
import { type RunView, statusOf } from "../domain/run/RunView.ts"
import type { EventStore, LogUnavailable } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { commandRules } from "./CommandRules.ts"
import { type Caller, type CommandReused, NotFound, type Unavailable } from "./Engine.ts"
import * as RecoveryCommanding from "./RecoveryCommanding.ts"
import * as RunCommanding from "./RunCommanding.ts"
import * as RunCopies from "./RunCopies.ts"

/** What an item needs to know of its operation. */
export type Order = Pick<State, "bulkId" | "target" | "action" | "reason" | "principal">

/**
 * How one item of a bulk operation is told. Its command has an id that is made of the operation and the item, so that
 * it is told once, whatever happens between the telling and the note of it.
 */
export const make = Effect.fnUntraced(function* (log: EventStore["Service"]) {
  const runs = yield* Actors.run.client
  const { isRepeat, timely } = commandRules(log)
  const run = yield* RunCommanding.make(log)
  const copies = yield* RunCopies.make(log)
  const tellRecovery = yield* RecoveryCommanding.make(log)

  const retryRun = Effect.fnUntraced(function* (order: Order, id: string) {
    const caller = callerOf(order, id)
    if (yield* isRepeat(caller)) return null
    const { state } = yield* Effect.orDie(runs.execute(id, { _tag: "Read" }))
    if (state.definition === null) return yield* new NotFound({ kind: "run", id })
    // Steps that were told before a crash wait for no retry any more: only their commands still know.
    const ofStep = (stepId: string) => callerOf(order, id, stepId)
    const told = yield* Effect.filter(Object.keys(state.steps), (stepId) => isRepeat(ofStep(stepId)))
    const retry = retryOf(state)
    if (told.length === 0 && retry?.type === "reopen") return yield* run.reopening(id, retry.command, caller)
    let taken = told.length
    for (const stepId of retry?.type === "hurry" ? retry.stepIds : []) {
      if (told.includes(stepId)) continue
      // Its time may have come meanwhile, or its run have ended.
      const isTaken = run.command(id, { _tag: "RetryStep", stepId }, ofStep(stepId)).pipe(
        Effect.as(true),
        Effect.catchTag("IllegalTransition", () => Effect.succeed(false))
      )
      if (yield* isTaken) taken++
    }
    if (taken === 0) return yield* new IllegalTransition({ command: "retry", status: statusOf(state) })
    return null
  })

  const tellRun = (order: Order, id: string): Effect.Effect<unknown, Refusal> => {
    const { action, reason } = order
    const caller = callerOf(order, id)
    switch (action) {
      case "cancel":
        return run.command(id, { _tag: "Cancel", reason }, caller)
      case "recover":
        return run.reopening(id, { _tag: "Recover" }, caller)
      case "retry":
        return retryRun(order, id)
      case "pause":
        return run.command(id, { _tag: "Pause", reason }, caller)
      case "resume":
        return run.command(id, { _tag: "Resume" }, caller)
      case "replay":
        return copies.replay(id, false, caller)
    }
  }

  const recovery = (order: Order, id: string): Effect.Effect<unknown, Refusal> => {
    const { action, reason } = order
    const caller = callerOf(order, id)
    switch (action) {
      case "retry":
        return tellRecovery(id, { _tag: "Retry" }, caller)
      case "cancel":
        return tellRecovery(id, { _tag: "Cancel", reason }, caller)
      case "pause":
        return tellRecovery(id, { _tag: "Pause", reason }, caller)
      case "resume":
        return tellRecovery(id, { _tag: "Resume" }, caller)
      default:
        return Effect.die(new Error(`recoveries know no ${action}`))
    }
  }

  /** Tells the item and answers what it came to. Fails only where trying again may help. */
  const tell = (order: Order, id: string): Effect.Effect<ItemResult, Unavailable | LogUnavailable> => {
    const told = order.target === "runs" ? timely(tellRun(order, id)) : recovery(order, id)
    const done = (answer: unknown): ItemResult =>
      order.action === "replay"
        ? { outcome: "done", runId: (answer as { readonly run: RunView }).run.id }
        : { outcome: "done" }
    return told.pipe(
      Effect.map(done),
      Effect.catch(
        Effect.fnUntraced(function* (refusal) {
          const result = refusedAs(refusal)
          if (result === null) return yield* refusal as Unavailable | LogUnavailable
          // A telling whose answer was given up on may have been the one that the state does not allow any more.
          const isDone = order.action !== "replay" && (yield* Effect.orDie(isRepeat(callerOf(order, id))))
          return isDone ? { outcome: "done" as const } : result
        })
      )
    )
  }

  return { tell }
})

type Refusal =
  | NotFound
  | IllegalTransition
  | IllegalRecoveryTransition
  | RunCopies.StaleInputs
  | CommandReused
  | Unavailable
  | LogUnavailable
  | NotOptional

/** The refusal as an item's result, in the words of the single command's answer; null: it is none of the item's state. */
export const refusedAs = (refusal: { readonly _tag: string }): ItemResult | null => {
  if (refusal instanceof IllegalTransition || refusal instanceof IllegalRecoveryTransition) {
    const message = `${refusal.command} is not possible: the status is ${refusal.status}`
    return { outcome: "skipped", code: "illegal_transition", message }
  }
  if (refusal instanceof NotFound) {
    return { outcome: "skipped", code: "not_found", message: `there is no ${refusal.kind} ${refusal.id}` }
  }
  if (refusal instanceof RunCopies.StaleInputs) return staleResult(refusal.inputs)
  return null
}

/** A replay would not be the same again. */
export const staleResult = (inputs: RunCopies.StaleInputs["inputs"]): ItemResult => {
  const names = inputs.map(({ assetId, partitionKey }) =>
    partitionKey === "" ? assetId : `${assetId}[${partitionKey}]`
  )
  return { outcome: "skipped", code: "stale_inputs", message: `inputs have newer generations: ${names.join(", ")}` }
}

/** Who tells the item: the one who asked for the operation, for its reason. */
const callerOf = ({ bulkId, principal, reason }: Order, ...item: ReadonlyArray<string>): Caller => ({
  commandId: Id.ofParts("bulk-item", bulkId, ...item),
  // The id says all: it never comes with another body.
  requestHash: bulkId,
  correlationId: `bulk-${bulkId}`,
  ...(principal === null ? {} : { principal }),
  reason
})
