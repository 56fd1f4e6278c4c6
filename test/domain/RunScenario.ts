import { Result } from "effect"
import * as Decider from "../../src/domain/Decider.ts"
import { type Definition, parseDefinition } from "../../src/domain/Definition.ts"
import type { Failure } from "../../src/domain/Failure.ts"
import type { Produced } from "../../src/domain/Production.ts"
import type { Command, Outcome, Unstamped } from "../../src/domain/run/RunCommands.ts"
import { decider } from "../../src/domain/run/RunDecide.ts"
import type { Event, WaitingFor } from "../../src/domain/run/RunEvents.ts"
import type { State } from "../../src/domain/run/RunState.ts"
import { given } from "../support/given.ts"

/** Words for runs in tests: a definition, its events and its commands, all at time 0 unless told otherwise. */
export const run = given(decider)

/** A workflow of these steps, with every default filled. */
export const workflow = (
  steps: ReadonlyArray<Record<string, unknown>>,
  more: Record<string, unknown> = {}
): Definition =>
  Result.getOrThrow(
    parseDefinition({
      slug: "orders",
      ...more,
      steps: steps.map((step) => (step.type === undefined ? { jobSlug: "job", ...step } : step))
    })
  )

/** `load`, then `report`: the usual two steps. */
export const chain = workflow([{ id: "load" }, { id: "report", dependsOn: ["load"] }])
/** `left` and `right` side by side. */
export const pair = workflow([{ id: "left" }, { id: "right" }])
/** One step that is tried `maxAttempts` times, with fixed delays of 100 ms. */
export const tried = (maxAttempts: number, recovery: Record<string, unknown> = {}) =>
  workflow([
    { id: "load", recovery, retryPolicy: { maxAttempts, strategy: "fixed", initialDelayMs: 100, jitter: "none" } }
  ])

export const at =
  (now: number) =>
  (command: Unstamped): Command => ({ ...command, now, slot: false })
/** The command, at time 0, with no slot on offer. */
export const now = at(0)
/** The command, at time 0, with one slot on offer. */
export const withSlot = (command: Unstamped): Command => ({ ...command, now: 0, slot: true })

export const requested = (
  definition: Definition,
  more: Partial<Extract<Event, { readonly _tag: "RunRequested" }>> = {}
): Event => ({
  _tag: "RunRequested",
  runId: "run-1",
  workflow: definition.slug,
  version: 1,
  parameters: {},
  trigger: { type: "manual" },
  definition,
  at: 0,
  ...more
})
export const started = (stepId: string, attempt = 1): Event => ({ _tag: "StepStarted", stepId, attempt, at: 0 })
export const succeeded = (stepId: string, attempt = 1): Event => ({ _tag: "StepSucceeded", stepId, attempt, at: 0 })
export const produced = (stepId: string, attempt = 1): Event => ({
  _tag: "StepSucceeded",
  stepId,
  attempt,
  produced: [part],
  at: 0
})
export const recorded = (stepId: string, attempt = 1): Event => ({
  _tag: "StepOutputsRecorded",
  stepId,
  attempt,
  generations: [generation],
  at: 0
})
export const failed = (stepId: string, failure: Failure, final: boolean, attempt = 1): Event => ({
  _tag: "StepFailed",
  stepId,
  attempt,
  failure,
  final,
  at: 0
})
export const retryAt = (stepId: string, dueAt: number, retry = 1, attempt = 1): Event => ({
  _tag: "StepRetryScheduled",
  stepId,
  attempt,
  retry,
  delayMs: 100,
  dueAt,
  reason: "transient: socket closed",
  at: 0
})
export const suspended = (stepId: string, waitingFor: WaitingFor, attempt = 1, deadlineAt: number | null = 600_000) =>
  ({
    _tag: "StepSuspended",
    stepId,
    attempt,
    waitingFor,
    ...(deadlineAt === null ? {} : { deadlineAt }),
    at: 0
  }) satisfies Event
export const resumed = (stepId: string, reason: string, recoveryId?: string): Event => ({
  _tag: "StepResumed",
  stepId,
  reason,
  ...(recoveryId === undefined ? {} : { recoveryId }),
  at: 0
})
export const runFailed = (stepId: string, failure: Failure): Event => ({ _tag: "RunFailed", stepId, failure, at: 0 })
export const runSucceeded: Event = { _tag: "RunSucceeded", at: 0 }
export const runCanceled: Event = { _tag: "RunCanceled", reason: "not needed any more", at: 0 }
export const recovered = (kept: ReadonlyArray<string>, rerun: ReadonlyArray<string>): Event => ({
  _tag: "RunRecovered",
  kept,
  rerun,
  at: 0
})

export const part: Produced = {
  assetId: "orders.raw",
  partitionKey: "",
  parts: [{ store: "warehouse", key: "orders.json", bytes: 2, etag: "e1", sha256: "aa", written: true }]
}
export const generation = { assetId: "orders.raw", partitionKey: "", generation: 1 }

export const transient: Failure = { class: "transient", code: "socket", message: "socket closed" }
export const permanent: Failure = { class: "permanent", code: "bad_input", message: "no such day" }
export const missing: Failure = {
  class: "asset_missing",
  code: "ENOENT",
  message: "orders.csv is not there",
  store: "inbox",
  key: "orders.csv"
}
export const outage: Failure = {
  class: "store_unavailable",
  code: "ECONNREFUSED",
  message: "connection refused",
  store: "warehouse"
}
export const unrecovered: Failure = {
  class: "asset_missing",
  code: "budget_exhausted",
  message: "orders.csv could not be recovered in 3 attempts",
  asset: { assetId: "orders.csv", partitionKey: "" }
}
export const healing = (recoveryId = "r1"): WaitingFor => ({
  type: "recovery",
  recoveryId,
  assetId: "orders.csv",
  partitionKey: ""
})
export const storeBack: WaitingFor = { type: "store", store: "warehouse" }

export const well: Outcome = { ok: true, produced: [], reads: [], unowned: [] }
export const badly = (failure: Failure, heal = true, random = 0): Outcome => ({ ok: false, failure, heal, random })
export const end = (stepId: string, outcome: Outcome, attempt = 1): Unstamped => ({
  _tag: "EndStep",
  stepId,
  attempt,
  outcome
})
export const begin = (stepId: string): Unstamped => ({ _tag: "BeginStep", stepId, inputs: [] })
export const settle = (stepId: string, recoveryId = "r1", failure?: Failure): Unstamped => ({
  _tag: "SettleRecovery",
  stepId,
  recoveryId,
  failure
})
export const locate = (stepId: string, waitingFor: WaitingFor, attempt = 1): Unstamped => ({
  _tag: "Locate",
  stepId,
  attempt,
  verdict: { type: "wait", waitingFor }
})
export const block = (stepId: string, waitingFor: WaitingFor): Unstamped => ({
  _tag: "BlockStep",
  stepId,
  verdict: { type: "wait", waitingFor }
})
export const interrupt = (reason: "crash" | "drain" = "crash", crashLimit = 10): Unstamped => ({
  _tag: "Interrupt",
  reason,
  processId: "p1",
  crashLimit
})

export const fold = (...events: ReadonlyArray<Event>): State => Decider.fold(decider, decider.initial, events)
