import { escalated, type Stored } from "../domain/Attention.ts"
import type { Failure } from "../domain/Failure.ts"
import type * as MaterializationEvents from "../domain/materialization/MaterializationEvents.ts"
import type * as RecoveryEvents from "../domain/recovery/RecoveryEvents.ts"
import type { Row, RunFacts } from "./AttentionRows.ts"

/** How each kind of thing becomes a row of the attention list, and what of an earlier row stays. */

/** Reason code of a run whose steps have waited for too long. */
export const waits = "waiting_for_store"

export const notMuted = { mutedUntil: null, mutedReason: null, mutedBy: null }

const messageCharsMax = 1_000
const short = (text: string): string => (text.length <= messageCharsMax ? text : `${text.slice(0, messageCharsMax)}…`)

const blank = {
  subject: null,
  workflow: null,
  assetId: null,
  partitionKey: null,
  runId: null,
  recoveryId: null,
  stepId: null,
  rootCause: null,
  waiting: [],
  ...notMuted
} satisfies Partial<Row>

/** What stays of the row that was there, and how often the thing has come up with this time. */
const again = (before: Row | undefined) => {
  const { mutedBy = null, mutedReason = null, mutedUntil = null } = before ?? {}
  return { ...blank, mutedBy, mutedReason, mutedUntil, count: (before?.count ?? 0) + (before?.open === true ? 0 : 1) }
}

const ofRun = (facts: RunFacts | undefined) => ({
  workflow: facts?.workflow ?? null,
  partitionKey: facts?.partitionKey ?? null,
  subject: facts?.subject ?? null
})

interface OfRun {
  readonly id: string
  readonly runId: string
  readonly stepId: string
  readonly at: number
}

/** A step waits for a store for too long. */
export const waiting = (
  before: Row | undefined,
  facts: RunFacts | undefined,
  { at, id, reason, runId, stepId }: OfRun & { readonly reason: string }
): Row => {
  const steps = before?.open === true && before.reasonCode === waits ? before.waiting : []
  const since = steps.length > 0 ? before!.since : at
  return {
    ...{ ...again(before), ...ofRun(facts), id, kind: "run", open: true, runId, stepId, since },
    ...{ reasonCode: waits, message: short(reason), severity: "warning" },
    waiting: steps.includes(stepId) ? steps : [...steps, stepId].slice(0, stepsMax)
  }
}

/** Steps of a run that are remembered as waiting. */
const stepsMax = 1_000

/** One of the steps that waited goes on; with the last of them the run needs nobody any more. */
export const wentOn = (row: Row, stepId: string): Partial<Row> => {
  const left = row.waiting.filter((id) => id !== stepId)
  return { waiting: left, open: left.length > 0, stepId: left[0] ?? row.stepId }
}

/** `blamed`: the failed recovery of the asset that the failure is about. */
export const failedRun = (
  before: Row | undefined,
  facts: RunFacts | undefined,
  { at, blamed, failure, id, runId, stepId }: OfRun & { readonly failure: Failure; readonly blamed: Row | undefined }
): Row => {
  const kept = again(before)
  return {
    ...{ ...kept, ...ofRun(facts), id, kind: "run", open: true, runId, stepId, since: at },
    ...{ reasonCode: failure.code, message: short(failure.message), severity: escalated("error", kept.count) },
    ...{ assetId: failure.asset?.assetId ?? null, recoveryId: blamed?.recoveryId ?? null },
    rootCause: blamed?.rootCause ?? null
  }
}

/** A recovery that goes on needs nobody; its row knows which asset it is about, should it fail. */
export const requestedRecovery = (
  before: Row | undefined,
  asked: {
    readonly id: string
    readonly subject: string
    readonly recoveryId: string
    readonly assetId: string
    readonly partitionKey: string
    readonly at: number
  }
): Row => {
  const { at, partitionKey, ...rest } = asked
  return {
    ...{ ...again(before), count: before?.count ?? 0, ...rest, kind: "recovery", open: false, since: at },
    ...{ reasonCode: "", message: "", severity: "error", partitionKey: partitionKey === "" ? null : partitionKey }
  }
}

export const failedRecovery = (
  row: Row,
  { failure, reasonCode, rootCause }: Extract<RecoveryEvents.Stored, { readonly _tag: "RecoveryFailed" }>,
  at: number
): Row => {
  const kept = again(row)
  const cause = rootCause ?? null
  // What failed only because of another asset has an entry of its own there.
  const isDependent =
    cause !== null && (cause.assetId !== row.assetId || cause.partitionKey !== (row.partitionKey ?? ""))
  return {
    ...row,
    ...{ open: true, count: kept.count, since: at, reasonCode, message: short(failure.message), rootCause: cause },
    severity: isDependent ? "warning" : escalated("error", kept.count)
  }
}

export const automatic = (
  before: Row | undefined,
  facts: RunFacts | undefined,
  {
    at,
    ended,
    id
  }: {
    readonly id: string
    readonly ended: Extract<MaterializationEvents.Stored, { readonly _tag: "MaterializationEnded" }>
    readonly at: number
  }
): Row => {
  const why = ended.failure === undefined ? "" : `: ${ended.failure.message}`
  return {
    ...{ ...again(before), ...ofRun(facts), subject: null, id, kind: "materialization", open: true },
    ...{ runId: ended.runId, count: ended.failures, severity: "error", reasonCode: "automatic_failures" },
    message: short(`${ended.failures} automatic runs in a row have failed${why}`),
    since: before?.open === true ? before.since : at
  }
}

/** What somebody else has found; who raises it counts. */
export const raised = (
  before: Row | undefined,
  item: Extract<Stored, { readonly _tag: "AttentionRaised" }>,
  at: number
): Row => {
  const { assetId = null, count, id, kind, message, partitionKey = null, reasonCode, severity } = item
  return {
    ...{ ...again(before), id, kind, open: true, assetId, reasonCode, message: short(message), severity, count },
    ...{ partitionKey: partitionKey === "" ? null : partitionKey },
    since: before?.open === true ? before.since : at
  }
}
