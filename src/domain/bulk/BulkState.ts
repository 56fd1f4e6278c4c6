import * as PackedKeys from "../backfill/PackedKeys.ts"
import type { JsonObject } from "../JsonBounds.ts"
import type { Action, Event, ItemResult, Target } from "./BulkEvents.ts"

/** `canceling`: it was canceled, and items under way have yet to be noted. */
export type Status = "running" | "canceling" | "succeeded" | "failed" | "canceled"

/** Items that are told together; what they came to is one event. */
export const batchMax = 20

/** An item that was not done, and why. */
export interface Undone {
  readonly id: string
  readonly outcome: "skipped" | "failed"
  readonly code: string
  readonly message: string
}

/** One bulk operation. Null status: there is none. */
export interface State {
  readonly bulkId: string
  readonly status: Status | null
  readonly target: Target
  readonly action: Action
  readonly filter: JsonObject
  readonly ids: ReadonlyArray<string>
  readonly more: boolean
  readonly canary: number
  readonly ratePerSecond: number
  readonly reason: string
  readonly principal: string | null
  /** Every item before this index has been told. */
  readonly cursor: number
  /** No item from this index on is told any more. */
  readonly stopAt: number
  readonly done: number
  /** Canaries that ended well; for actions that begin nothing, those that were told. */
  readonly passed: number
  /** Canaries that have yet to end, and the run or recovery whose end it is. */
  readonly watching: ReadonlyMap<string, string>
  readonly undone: ReadonlyArray<Undone>
  /** Runs that replays have started, by the run that they replay. */
  readonly started: ReadonlyMap<string, string>
  readonly failedCanary: { readonly id: string; readonly message: string } | null
  readonly stopReason: string | null
  readonly requestedAt: number
  readonly endedAt: number | null
}

export const initial: State = {
  bulkId: "",
  status: null,
  target: "runs",
  action: "cancel",
  filter: {},
  ids: [],
  more: false,
  canary: 0,
  ratePerSecond: 1,
  reason: "",
  principal: null,
  cursor: 0,
  stopAt: 0,
  done: 0,
  passed: 0,
  watching: new Map(),
  undone: [],
  started: new Map(),
  failedCanary: null,
  stopReason: null,
  requestedAt: 0,
  endedAt: null
}

export const isOver = ({ status }: State): boolean =>
  status === "succeeded" || status === "failed" || status === "canceled"

/** Whether canaries are still missing. What is skipped is none: the next item is one in its place. */
export const isCanaryTurn = ({ canary, passed }: State): boolean => passed < canary

/** How many items, from the cursor on, are to be told now. */
export const batch = (state: State): number => {
  const left = state.stopAt - state.cursor
  if (state.status === "canceling") return left
  if (state.status !== "running" || state.failedCanary !== null) return 0
  const room = isCanaryTurn(state) ? state.canary - state.passed - state.watching.size : left
  return Math.max(0, Math.min(left, room, batchMax))
}

const itemDone = (state: State, id: string, result: ItemResult, isCanary: boolean): State => {
  const { code = "", message = "", outcome, runId, watched = false } = result
  if (outcome === "done") {
    const started = runId === undefined ? state.started : new Map(state.started).set(id, runId)
    const next = { ...state, started, done: state.done + 1 }
    if (watched) return { ...next, watching: new Map(state.watching).set(id, runId ?? id) }
    return isCanary ? { ...next, passed: state.passed + 1 } : next
  }
  const undone = [...state.undone, { id, outcome, code, message }]
  const isBad = isCanary && outcome === "failed" && state.failedCanary === null
  return { ...state, undone, failedCanary: isBad ? { id, message } : state.failedCanary }
}

const canaryEnded = (state: State, event: Extract<Event, { readonly _tag: "BulkCanaryEnded" }>): State => {
  const { ended, itemId, message = `it ended as ${ended}` } = event
  const watching = new Map(state.watching)
  watching.delete(itemId)
  if (ended === "succeeded") return { ...state, watching, passed: state.passed + 1 }
  return { ...state, watching, failedCanary: state.failedCanary ?? { id: itemId, message } }
}

export const evolve = (state: State, event: Event): State => {
  switch (event._tag) {
    case "BulkRequested": {
      const { _tag, at, items, principal = null, total: _, ...fields } = event
      const ids = PackedKeys.unpack(items)
      return { ...state, ...fields, principal, ids, stopAt: ids.length, status: "running", requestedAt: at }
    }
    case "BulkItemsDone": {
      const { from, results } = event
      const isCanary = isCanaryTurn(state)
      let next: State = { ...state, cursor: from + results.length }
      for (const [index, result] of results.entries()) {
        next = itemDone(next, state.ids[from + index]!, result, isCanary)
      }
      return next
    }
    case "BulkCanaryEnded":
      return canaryEnded(state, event)
    case "BulkCanceled":
      // What is under way cannot be taken back: it is told to its end and counted.
      return {
        ...state,
        status: "canceling",
        stopAt: state.cursor + batch(state),
        watching: new Map(),
        stopReason: event.reason
      }
    case "BulkEnded":
      return { ...state, status: event.status, watching: new Map(), endedAt: event.at }
  }
}
