import { DateTime, HashMap } from "effect"
import { shownPartition } from "../run/RunView.ts"
import { notStarted, type State, type Status } from "./BackfillState.ts"

/** Failures and runs under way that a view lists. */
const listedMax = 100

/** A backfill as the API and the command line show it. */
export interface BackfillView {
  readonly id: string
  readonly workflow: string
  readonly assetId: string | null
  readonly status: Status
  readonly reason: string
  readonly parameters: Readonly<Record<string, unknown>>
  readonly concurrency: number
  readonly canary: number
  readonly onlyMissing: boolean
  readonly total: number
  readonly succeeded: number
  readonly failed: number
  readonly canceled: number
  /** Partitions whose asset was there: they did not run. */
  readonly skipped: number
  readonly running: number
  readonly waiting: number
  /** The partition that failed while it ran alone. */
  readonly failedCanary: string | null
  readonly stopReason: string | null
  /** The first 100, in the order of the partitions. */
  readonly failures: ReadonlyArray<{
    readonly partitionKey: string | null
    readonly outcome: "failed" | "canceled"
    /** Null: there is no such run, it could not be started. */
    readonly runId: string | null
    readonly code: string | null
    readonly message: string | null
  }>
  readonly runs: ReadonlyArray<{ readonly partitionKey: string | null; readonly runId: string }>
  readonly requestedAt: string
  readonly finishedAt: string | null
  readonly streamVersion: number
}

const iso = (epochMs: number): string => DateTime.formatIso(DateTime.makeUnsafe(epochMs))

/** The view of a backfill that there is. */
export const view = (state: State, streamVersion: number): BackfillView => {
  const failures = [...HashMap.entries(state.failures)].sort(([, one], [, other]) => one.index - other.index)
  const canceled = failures.filter(([, { outcome }]) => outcome === "canceled").length
  const { assetId, canary, concurrency, failedCanary, onlyMissing, parameters, reason, stopReason, workflow } = state
  return {
    ...{ id: state.backfillId, workflow, assetId, status: state.status ?? "running", reason, parameters },
    ...{ concurrency, canary, onlyMissing, total: state.keys.length },
    succeeded: state.succeeded,
    failed: failures.length - canceled,
    canceled,
    skipped: state.skipped,
    running: state.running.size,
    waiting: state.keys.length - state.cursor,
    failedCanary,
    stopReason,
    failures: failures.slice(0, listedMax).map(([runId, { failure, outcome, partitionKey }]) => ({
      partitionKey: shownPartition(partitionKey),
      outcome,
      runId: failure?.code === notStarted ? null : runId,
      code: failure?.code ?? null,
      message: failure?.message ?? null
    })),
    runs: [...state.running].map(([runId, index]) => ({ partitionKey: shownPartition(state.keys[index]), runId })),
    requestedAt: iso(state.requestedAt),
    finishedAt: state.finishedAt === null ? null : iso(state.finishedAt),
    streamVersion
  }
}
