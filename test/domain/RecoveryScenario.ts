import * as Decider from "../../src/domain/Decider.ts"
import type { Failure } from "../../src/domain/Failure.ts"
import * as Id from "../../src/domain/Id.ts"
import { type Command, decider, type Planned, type Unstamped } from "../../src/domain/recovery/RecoveryDecide.ts"
import type { Event, Waiter } from "../../src/domain/recovery/RecoveryEvents.ts"
import type { State } from "../../src/domain/recovery/RecoveryState.ts"
import { given } from "../support/given.ts"

/** Words for recoveries in tests: the events and commands of one lost generation, at time 0 unless told otherwise. */
export const recovery = given(decider)

export const asset = { assetId: "orders.raw", partitionKey: "2024-01" }
export const recoveryId = Id.recovery(asset.assetId, asset.partitionKey, 1)
export const producerRun = (attempt: number, round = 1) => Id.ofParts("recovery-run", recoveryId, round, attempt)

export const at =
  (now: number) =>
  (command: Unstamped): Command => ({ ...command, now })
export const now = at(0)

export const stepOf = (runId: string, stepId = "report"): Waiter => ({ runId, stepId })
export const producer = {
  workflow: "orders",
  version: 2,
  stepId: "load",
  parameters: { day: 1 },
  results: {},
  before: ["fetch"]
}
export const planned: Planned = {
  class: "reprocess",
  rootCause: { ...asset, why: "generation 1 is gone" },
  plan: [{ ...asset, class: "reprocess", workflow: "orders", step: "load", why: "generation 1 is gone" }],
  producer,
  parents: [],
  maxAttempts: 3,
  attemptTimeoutMs: 60_000
}
export const failure: Failure = { class: "transient", code: "socket", message: "socket closed" }
export const gone: Failure = {
  class: "asset_missing",
  code: "source_asset",
  message: "inbox.csv comes from outside",
  asset: { assetId: "inbox.csv", partitionKey: "" }
}

export const join = (
  waiter: Waiter | undefined = stepOf("run-1"),
  more: Partial<Extract<Unstamped, { readonly _tag: "Join" }>> = {}
): Unstamped => ({
  _tag: "Join",
  recoveryId,
  ...asset,
  generation: 1,
  waiter,
  priority: 100,
  reopen: false,
  ...more
})
export const plan = (more: Partial<Planned> = {}, round = 1): Unstamped => ({
  _tag: "Plan",
  round,
  planned: { ...planned, ...more }
})
export const ended = (
  attempt: number,
  failed?: Failure,
  more: { unowned?: boolean; random?: number } = {}
): Unstamped => ({
  _tag: "EndProducer",
  producerRunId: producerRun(attempt),
  failure: failed,
  unowned: false,
  random: 0,
  ...more
})
export const restore = (via: "producer" | "copy" | "found" = "producer", round = 1): Unstamped => ({
  _tag: "Restore",
  round,
  via,
  generation: 2,
  contentChanged: false
})
export const settleParent = (parent: string, failed?: Failure): Unstamped => ({
  _tag: "SettleParent",
  recoveryId: parent,
  failure: failed
})

export const requested = (
  round = 1,
  more: Partial<Extract<Event, { readonly _tag: "RecoveryRequested" }>> = {}
): Event => ({
  _tag: "RecoveryRequested",
  recoveryId,
  ...asset,
  lostGeneration: 1,
  round,
  priority: 100,
  at: 0,
  ...more
})
export const joined = (waiter: Waiter, priority?: number): Event => ({
  _tag: "RecoveryWaiterJoined",
  waiter,
  ...(priority === undefined ? {} : { priority }),
  at: 0
})
export const plannedEvent = (more: Partial<Planned> = {}): Event => ({
  _tag: "RecoveryPlanned",
  ...planned,
  ...more,
  at: 0
})
export const scheduled = (attempt: number, only: ReadonlyArray<string> = ["load"], round = 1): Event => ({
  _tag: "RecoveryScheduled",
  attempt,
  producerRunId: producerRun(attempt, round),
  only,
  at: 0
})
export const startedEvent = (attempt: number): Event => ({ _tag: "RecoveryAttemptStarted", attempt, at: 0 })
export const endedEvent = (attempt: number): Event => ({ _tag: "RecoveryProducerEnded", attempt, at: 0 })
export const attemptFailed = (attempt: number, dueAt?: number, failed: Failure = failure): Event => ({
  _tag: "RecoveryAttemptFailed",
  attempt,
  failure: failed,
  ...(dueAt === undefined ? {} : { dueAt }),
  at: 0
})
export const succeeded = (via: "producer" | "copy" | "found" = "producer"): Event => ({
  _tag: "RecoverySucceeded",
  via,
  generation: 2,
  contentChanged: false,
  at: 0
})
export const failed = (
  reasonCode: "budget_exhausted" | "canceled" | "source_asset" | "no_producer",
  why = gone
): Event => ({
  _tag: "RecoveryFailed",
  reasonCode,
  failure: why,
  at: 0
})
export const parentSettled = (parent: string, why?: Failure): Event => ({
  _tag: "RecoveryParentSettled",
  recoveryId: parent,
  ...(why === undefined ? {} : { failure: why }),
  at: 0
})
export const released = (count: number): Event => ({ _tag: "RecoveryWaitersReleased", released: count, at: 0 })

/** Requested, joined by one step, planned without parents, its first attempt scheduled. */
export const running = [requested(), joined(stepOf("run-1")), plannedEvent(), scheduled(1)]

export const fold = (...events: ReadonlyArray<Event>): State => Decider.fold(decider, decider.initial, events)
