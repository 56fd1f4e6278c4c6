import { DateTime } from "effect"
import type { Action, Target } from "./BulkEvents.ts"
import type { State, Status, Undone } from "./BulkState.ts"

/** Items that a view lists of each kind. */
export const listedMax = 100

/** A bulk operation as the API and the command line show it. */
export interface BulkView {
  readonly id: string
  readonly target: Target
  readonly action: Action
  readonly filter: Readonly<Record<string, unknown>>
  readonly status: Status
  readonly reason: string
  readonly principal: string | null
  readonly canary: number
  readonly ratePerSecond: number
  readonly total: number
  /** The filter matched more than the limit let in. */
  readonly more: boolean
  readonly done: number
  readonly skipped: number
  readonly failed: number
  readonly waiting: number
  /** Canaries whose end is waited for. */
  readonly watching: ReadonlyArray<string>
  readonly failedCanary: { readonly id: string; readonly message: string } | null
  /** The first 100 that were not done, and why. */
  readonly undone: ReadonlyArray<Undone>
  /** The first 100 runs that replays have started. */
  readonly started: ReadonlyArray<{ readonly id: string; readonly runId: string }>
  readonly stopReason: string | null
  readonly requestedAt: string
  readonly endedAt: string | null
  readonly streamVersion: number
}

const iso = (epochMs: number): string => DateTime.formatIso(DateTime.makeUnsafe(epochMs))

/** The view of a bulk operation that there is. */
export const view = (state: State, streamVersion: number): BulkView => {
  const { action, canary, done, failedCanary, filter, more, principal, ratePerSecond, reason, stopReason, target } =
    state
  const failed = state.undone.filter(({ outcome }) => outcome === "failed").length
  return {
    ...{ id: state.bulkId, target, action, filter, status: state.status ?? "running", reason, principal },
    ...{ canary, ratePerSecond, total: state.ids.length, more, done, skipped: state.undone.length - failed, failed },
    waiting: state.ids.length - state.cursor,
    watching: [...state.watching.keys()],
    failedCanary,
    undone: state.undone.slice(0, listedMax),
    started: [...state.started].slice(0, listedMax).map(([id, runId]) => ({ id, runId })),
    stopReason,
    requestedAt: iso(state.requestedAt),
    endedAt: state.endedAt === null ? null : iso(state.endedAt),
    streamVersion
  }
}
