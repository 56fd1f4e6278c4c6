import { HashMap } from "effect"
import type { Failure } from "../Failure.ts"
import * as Id from "../Id.ts"
import type { JsonObject } from "../JsonBounds.ts"
import type { Event } from "./BackfillEvents.ts"
import * as PackedKeys from "./PackedKeys.ts"

/** `canceling`: it was canceled, and runs under way have yet to end. */
export type Status = "running" | "paused" | "canceling" | "succeeded" | "failed" | "canceled"

/** Failure code of a partition whose run could not be put into the log. */
export const notStarted = "not_started"

/** A partition whose run did not succeed. */
export interface Failed {
  readonly index: number
  readonly partitionKey: string
  readonly outcome: "failed" | "canceled"
  readonly failure: Failure | null
}

/** One backfill. Null status: there is none. */
export interface State {
  readonly backfillId: string
  readonly status: Status | null
  readonly workflow: string
  readonly assetId: string | null
  readonly keys: ReadonlyArray<string>
  readonly concurrency: number
  readonly canary: number
  readonly parameters: JsonObject
  readonly onlyMissing: boolean
  readonly reason: string
  /** The turn of every key before this index has come. */
  readonly cursor: number
  /** Runs under way, by their id: at most `concurrency`, each with the index of its key. */
  readonly running: ReadonlyMap<string, number>
  readonly succeeded: number
  readonly skipped: number
  /** By run id. */
  readonly failures: HashMap.HashMap<string, Failed>
  /** The partition that failed while it ran alone; the rest does not begin. */
  readonly failedCanary: string | null
  /** Why it was paused or canceled; null: it was not. */
  readonly stopReason: string | null
  readonly requestedAt: number
  readonly finishedAt: number | null
}

export const initial: State = {
  backfillId: "",
  status: null,
  workflow: "",
  assetId: null,
  keys: [],
  concurrency: 1,
  canary: 0,
  parameters: {},
  onlyMissing: false,
  reason: "",
  cursor: 0,
  running: new Map(),
  succeeded: 0,
  skipped: 0,
  failures: HashMap.empty(),
  failedCanary: null,
  stopReason: null,
  requestedAt: 0,
  finishedAt: null
}

/** The run of one partition: always the same, so that it is put into the log once. */
export const runIdOf = (backfillId: string, partitionKey: string): string =>
  Id.ofParts("backfill-run", backfillId, Id.partitionKey(partitionKey))

/** Whether nothing will start any more, and nothing is under way. */
export const isOver = ({ status }: State): boolean =>
  status === "succeeded" || status === "failed" || status === "canceled"

/** How many more may start now. Canaries are the first that really run: what is skipped does not count as one. */
export const startable = (state: State): number => {
  if (state.status !== "running" || state.failedCanary !== null) return 0
  const left = state.keys.length - state.cursor
  const room = state.concurrency - state.running.size
  const canaries = state.succeeded < state.canary ? state.canary - state.succeeded - state.running.size : left
  return Math.max(0, Math.min(left, room, canaries))
}

const started = (state: State, from: number, count: number): State => {
  const running = new Map(state.running)
  for (let index = from; index < from + count; index++) {
    running.set(runIdOf(state.backfillId, state.keys[index]!), index)
  }
  return { ...state, cursor: from + count, running }
}

const ended = (state: State, event: Extract<Event, { readonly _tag: "BackfillRunEnded" }>): State => {
  const { failure = null, index, outcome, partitionKey, runId } = event
  const running = new Map(state.running)
  running.delete(runId)
  const next = { ...state, running }
  switch (outcome) {
    case "succeeded":
      return { ...next, succeeded: state.succeeded + 1, failures: HashMap.remove(state.failures, runId) }
    case "skipped":
      return { ...next, skipped: state.skipped + 1 }
    case "failed":
    case "canceled": {
      const isCanary = state.succeeded < state.canary
      return {
        ...next,
        failures: HashMap.set(state.failures, runId, { index, partitionKey, outcome, failure }),
        failedCanary: state.failedCanary ?? (isCanary ? partitionKey : null)
      }
    }
  }
}

export const evolve = (state: State, event: Event): State => {
  switch (event._tag) {
    case "BackfillRequested": {
      const { _tag, assetId, at, partitions, total: _, ...fields } = event
      const keys = PackedKeys.unpack(partitions)
      return { ...state, ...fields, assetId: assetId ?? null, keys, status: "running", requestedAt: at }
    }
    case "BackfillRunsStarted":
      return started(state, event.from, event.count)
    case "BackfillRunEnded":
      return ended(state, event)
    case "BackfillPaused":
      return { ...state, status: "paused", stopReason: event.reason }
    case "BackfillResumed":
      return { ...state, status: "running", stopReason: null }
    case "BackfillCanceled":
      return { ...state, status: "canceling", stopReason: event.reason }
    case "BackfillFinished":
      return { ...state, status: event.status, finishedAt: event.at }
  }
}
