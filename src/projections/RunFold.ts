import type { Failure } from "../domain/Failure.ts"
import { childId, declaredId } from "../domain/FanOut.ts"
import { Event, type Stored } from "../domain/run/RunEvents.ts"
import type { RunStatus } from "../domain/run/RunView.ts"

/**
 * A lean fold of a run's events for the list and the queue's counts. It agrees with `RunState` on the status (a
 * property test holds it to that), but changes its row in place and keeps no results, which makes it cheap enough for
 * every run of a busy log.
 */

/** A step's `RunState` status as one letter, because it is stored for every step of every run that goes on. */
export const letters = {
  pending: "p",
  expanded: "e",
  executing: "x",
  recording: "o",
  locating: "l",
  waiting: "w",
  retrying: "r",
  succeeded: "s",
  failed: "f",
  skipped: "k",
  canceled: "c"
} as const
export type Letter = (typeof letters)[keyof typeof letters]

/** Where a step stands, since when (epoch ms), and what a waiting one waits for. */
export type Step = readonly [status: Letter, since: number, waitsFor?: "recovery" | "input" | "store"]

export type RunFailure = Pick<Failure, "class" | "code" | "message"> & { readonly stepId: string }

export interface Row {
  readonly id: string
  readonly workflow: string
  readonly version: number
  readonly partitionKey: string | null
  readonly runKey: string | null
  readonly trigger: { readonly type: string }
  readonly createdAt: number
  startedAt: number | null
  finishedAt: number | null
  ended: "succeeded" | "failed" | "canceled" | null
  failure: RunFailure | null
  paused: boolean
  steps: Record<string, Step>
}

/** Of one definition: each step and those that it depends on. */
export type Graph = ReadonlyArray<{ readonly id: string; readonly dependsOn: ReadonlyArray<string> }>

/** Longest message of a failure that the list shows, in characters; the run itself has all of it. */
const messageCharsMax = 1000

/** The row of a run that was just requested. `graph`: its steps, none when the definition is not known. */
export const requested = (event: Extract<Stored, { readonly _tag: "RunRequested" }>, graph: Graph, at: number): Row => {
  const steps: Record<string, Step> = {}
  for (const { id } of graph) steps[id] = [letters.pending, at]
  return {
    id: event.runId,
    workflow: event.workflow,
    version: event.version,
    partitionKey: event.partitionKey ?? null,
    runKey: event.runKey ?? null,
    trigger: event.trigger,
    createdAt: at,
    startedAt: null,
    finishedAt: null,
    ended: null,
    failure: null,
    paused: false,
    steps
  }
}

type Data<Tag extends Stored["_tag"]> = Extract<Stored, { readonly _tag: Tag }>

/** What the fold needs of an event: `LogEvent` has it. */
export interface Foldable {
  readonly type: string
  readonly at: number
  data<A>(): A
}

/** Changes `row` by one event of its run; answers false for a type that no run has. */
export const apply = (row: Row, event: Foldable): boolean => {
  const { at } = event
  switch (event.type as Stored["_tag"]) {
    case "RunRequested":
      return true
    case "StepStarted":
      row.steps[event.data<Data<"StepStarted">>().stepId] = [letters.executing, at]
      row.startedAt ??= at
      return true
    case "StepExpanded": {
      const { items, only, stepId } = event.data<Data<"StepExpanded">>()
      row.steps[stepId] = [letters.expanded, at]
      for (const position of items.keys()) {
        row.steps[childId(stepId, only?.[position] ?? position)] ??= [letters.pending, at]
      }
      // Expanded again after a restore there may be fewer of them.
      for (let gone = items.length; only === undefined && childId(stepId, gone) in row.steps; gone++) {
        delete row.steps[childId(stepId, gone)]
      }
      return true
    }
    case "StepSucceeded": {
      const { produced, stepId } = event.data<Data<"StepSucceeded">>()
      row.steps[stepId] = [produced === undefined || produced.length === 0 ? letters.succeeded : letters.recording, at]
      return true
    }
    case "StepOutputsRecorded":
      row.steps[event.data<Data<"StepOutputsRecorded">>().stepId] = [letters.succeeded, at]
      return true
    case "StepFailed": {
      const { failure, final, stepId } = event.data<Data<"StepFailed">>()
      row.steps[stepId] = [final ? letters.failed : letters.locating, at]
      if (final) row.failure ??= shortened(failure, stepId)
      return true
    }
    case "StepRetryScheduled":
      row.steps[event.data<Data<"StepRetryScheduled">>().stepId] = [letters.retrying, at]
      return true
    case "StepSuspended": {
      const { stepId, waitingFor } = event.data<Data<"StepSuspended">>()
      row.steps[stepId] = [letters.waiting, at, waitingFor.type]
      return true
    }
    case "StepResumed":
      row.steps[event.data<Data<"StepResumed">>().stepId] = [letters.pending, at]
      return true
    case "StepSkipped": {
      const { children, stepId } = event.data<Data<"StepSkipped">>()
      row.steps[stepId] = [letters.skipped, at]
      if (children === true) skipChildren(row, stepId, at)
      return true
    }
    case "RunSucceeded":
      return end(row, "succeeded", at)
    case "RunFailed": {
      const { failure, stepId } = event.data<Data<"RunFailed">>()
      row.failure = shortened(failure, stepId)
      return end(row, "failed", at)
    }
    case "RunCanceled":
      return end(row, "canceled", at)
    case "RunInterrupted":
      for (const { stepId } of event.data<Data<"RunInterrupted">>().steps) row.steps[stepId] = [letters.pending, at]
      return true
    case "RunRecovered":
    case "RunRestored": {
      const { kept, rerun } = event.data<Data<"RunRecovered" | "RunRestored">>()
      row.ended = null
      row.finishedAt = null
      row.failure = null
      // The event names every step, so that the list need not keep the steps of runs that have ended.
      for (const stepId of kept) row.steps[stepId] = [letters.succeeded, at]
      for (const stepId of rerun) row.steps[stepId] = [letters.pending, at]
      return true
    }
    case "RunPaused":
      row.paused = true
      return true
    case "RunResumed":
      row.paused = false
      return true
    case "StepOverwriting":
    case "StepLeftOversMoved":
    case "RunAttentionRaised":
    case "RunOutcomeDelivered":
      return true
  }
  // Reached by a type that the compiler does not know.
  return false
}

const settledLetters: ReadonlySet<Letter> = new Set([letters.succeeded, letters.skipped, letters.recording])

const skipChildren = (row: Row, parent: string, at: number): void => {
  for (const stepId in row.steps) {
    if (stepId === parent || declaredId(stepId) !== parent) continue
    if (!settledLetters.has(row.steps[stepId]![0])) row.steps[stepId] = [letters.skipped, at]
  }
}

const known: ReadonlySet<string> = new Set(Object.keys(Event.cases))

/** Whether runs have events of this type. */
export const isKnown = (type: string): boolean => known.has(type)

const end = (row: Row, ended: NonNullable<Row["ended"]>, at: number): true => {
  row.ended = ended
  row.paused = false
  row.finishedAt = at
  return true
}

const shortened = (failure: Failure, stepId: string): RunFailure => ({
  class: failure.class,
  code: failure.code,
  message: failure.message.slice(0, messageCharsMax),
  stepId
})

/** The public status, as `RunView.statusOf` derives it. */
export const statusOf = (row: Row): RunStatus => {
  if (row.ended !== null) return row.ended
  let waits = false
  for (const stepId in row.steps) {
    const status = row.steps[stepId]![0]
    if (status === letters.executing || status === letters.recording) return "running"
    if (status === letters.locating || status === letters.waiting || status === letters.retrying) waits = true
  }
  if (waits) return "waiting"
  if (row.startedAt === null) return "pending"
  return row.paused ? "waiting" : "running"
}

/** How many steps of a run that goes on are where. */
export interface Counts {
  /** Ready, without a slot; `waitingSince`: since when the first of them is, epoch ms. */
  waiting: number
  waitingSince: number | null
  active: number
  retry: number
  recovery: number
  store: number
  input: number
  /** Ready, and held back because the run is paused. */
  held: number
}

export const countsOf = (row: Row, graph: Graph): Counts => {
  const counts: Counts = {
    waiting: 0,
    waitingSince: null,
    active: 0,
    retry: 0,
    recovery: 0,
    store: 0,
    input: 0,
    held: 0
  }
  let failed = false
  for (const stepId in row.steps) {
    const [status, , waitsFor] = row.steps[stepId]!
    if (status === letters.executing || status === letters.recording) counts.active++
    else if (status === letters.retrying) counts.retry++
    else if (status === letters.locating) counts.recovery++
    else if (status === letters.waiting) counts[waitsFor ?? "recovery"]++
    else if (status === letters.failed) failed = true
  }
  // A run that has failed begins no other step.
  if (failed) return counts
  const unblockedSince = new Map<string, number>()
  for (const { dependsOn, id } of graph) {
    let since = 0
    const unblocked = dependsOn.every((dependency) => {
      const [status, finished] = row.steps[dependency] ?? [letters.pending, 0]
      since = Math.max(since, finished)
      return status === letters.succeeded || status === letters.skipped
    })
    if (unblocked) unblockedSince.set(id, since)
  }
  for (const stepId in row.steps) {
    const [status, pendingSince] = row.steps[stepId]!
    // Children of a fan-out count as steps do; those beyond its concurrency have no slot either.
    const unblocked = status === letters.pending ? unblockedSince.get(declaredId(stepId)) : undefined
    if (unblocked === undefined) continue
    if (row.paused) {
      counts.held++
      continue
    }
    const since = Math.max(pendingSince, unblocked)
    counts.waiting++
    counts.waitingSince = counts.waitingSince === null ? since : Math.min(counts.waitingSince, since)
  }
  return counts
}
