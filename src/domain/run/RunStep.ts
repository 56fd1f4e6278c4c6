import type { Failure } from "../Failure.ts"
import type { ObservedRead, Produced, UsedInput } from "../Production.ts"
import type * as RunChildren from "./RunChildren.ts"
import type { WaitingFor } from "./RunEvents.ts"

/**
 * Where a step stands. `recording`: it ended well and its Assets have yet to record what it produced. `locating`: it
 * missed an asset, which is being reported. `expanded`: a fan-out whose children go on. The public shape (CONTRACT, section 4) is derived from it in `RunView`.
 */
export type StepStatus =
  | "pending"
  | "expanded"
  | "executing"
  | "recording"
  | "locating"
  | "waiting"
  | "retrying"
  | "succeeded"
  | "failed"
  | "skipped"
  | "canceled"

export interface StepState {
  readonly status: StepStatus
  /** Executions begun. */
  readonly attempt: number
  /** Executions that ended as transient within this budget. */
  readonly retries: number
  /** Executions cut off by a crash since one last ended by itself. */
  readonly crashes: number
  /** A failed Recovery is opened afresh when this step reports: set by `recover`. */
  readonly reopen: boolean
  readonly inputs: ReadonlyArray<UsedInput>
  readonly produced: ReadonlyArray<Produced>
  readonly generations: ReadonlyArray<UsedInput>
  readonly reads: ReadonlyArray<ObservedRead>
  /** Recoveries that ended since this step last began, possibly before it had recorded that it waits (T35). */
  readonly settled?: ReadonlyArray<string>
  /** Recoveries that this step has waited for: to wait for one again is to cause another heal. */
  readonly waited?: ReadonlyArray<string>
  readonly result?: unknown
  readonly failure?: Failure
  readonly waitingFor?: WaitingFor & { readonly since: number }
  /** When the retry is due, epoch ms. */
  readonly dueAt?: number
  /** When waiting ends, epoch ms. */
  readonly deadlineAt?: number
  readonly attentionRaised?: boolean
  /** Of a fan-out: each child's item by its place, and the children. */
  readonly items?: { readonly [index: number]: unknown }
  readonly children?: RunChildren.Children
  /** Of a step that has finished: the checkpoint as of which it has, 1 and on; 0: the run was asked for without it. */
  readonly checkpoint?: number
  /** How many of its executions that ended well a restore has superseded. */
  readonly superseded?: number
  readonly startedAt?: number
  readonly finishedAt?: number
}

/** A step of which nothing has happened yet. */
export const freshStep: StepState = {
  status: "pending",
  attempt: 0,
  retries: 0,
  crashes: 0,
  reopen: false,
  inputs: [],
  produced: [],
  generations: [],
  reads: []
}

export const isFinished = (status: StepStatus): boolean => status === "succeeded" || status === "skipped"

/** What the last execution left, if it is not to be shown of a step that has yet to begin (again). */
export const unbegun = (current: StepState): StepState => {
  const { checkpoint: _c, finishedAt: _f, result: _r, startedAt: _s, ...rest } = without(current)
  return { ...rest, status: "pending", inputs: [], produced: [], generations: [], reads: [] }
}

/** Leaves a wait, a retry or a failure behind. */
export const without = (current: StepState): StepState => {
  const { waitingFor: _w, dueAt: _d, deadlineAt: _l, attentionRaised: _a, failure: _f, settled: _s, ...rest } = current
  return rest
}

/** Of a step that has to do everything again: nothing of its budget is used up, and a failed Recovery is opened afresh. */
export const renewed = (current: StepState): StepState => ({
  ...unbegun(current),
  retries: 0,
  crashes: 0,
  reopen: true
})
