import { DateTime } from "effect"
import { shownPartition } from "../run/RunView.ts"
import type { Check, Known, State } from "./IntegrityState.ts"

/**
 * What the findings are worth. `cold`: no check has ended. `stale`: the last one of everything is older than the
 * interval. `refresh_queued`, `refresh_running`: a check waits or goes on, and the findings are those before it.
 */
export type CacheState = "cold" | "fresh" | "stale" | "refresh_queued" | "refresh_running"

const iso = (epochMs: number) => DateTime.formatIso(DateTime.makeUnsafe(epochMs))

export const cacheState = ({ queued, running, wholeAt }: State, now: number, freshMs: number): CacheState => {
  if (running !== null) return "refresh_running"
  if (queued !== null) return "refresh_queued"
  if (wholeAt === null) return "cold"
  return now - wholeAt <= freshMs ? "fresh" : "stale"
}

export const findingView = (known: Known) => {
  const { action, assetId, count, escalated, kind, partitionKey, reason, reasonCode, since, targets } = known
  return {
    ...{ assetId, partitionKey: shownPartition(partitionKey), kind, action, targets, reason, count, escalated },
    since: iso(since),
    ...(reasonCode === undefined ? {} : { reasonCode })
  }
}
export type FindingView = ReturnType<typeof findingView>

const checkView = ({ check, deep, endedAt, failed, inProgress, looked, omitted, ...rest }: Check) => ({
  ...{ check, reason: rest.reason, scope: rest.scope, deep },
  startedAt: iso(rest.startedAt),
  endedAt: endedAt === null ? null : iso(endedAt),
  ...{ looked, inProgress, omitted, unreadable: rest.unreadable, failedCount: rest.failedCount },
  failed: failed.map(({ assetId, message, partitionKey }) => ({
    ...{ assetId, partitionKey: shownPartition(partitionKey), message }
  }))
})

/** Where checks and repairs stand. */
export const integrityView = (state: State, now: number, freshMs: number) => ({
  state: cacheState(state, now, freshMs),
  generation: state.generation,
  checkedAt: state.wholeAt === null ? null : iso(state.wholeAt),
  /** Somebody works on what was found, or on what could not be judged for it. */
  inProgress: state.repair !== null || state.repairAwaited !== null || (state.last?.inProgress ?? 0) > 0,
  findings: state.findings.size,
  running: state.running === null ? null : checkView(state.running),
  last: state.last === null ? null : checkView(state.last)
})
export type IntegrityView = ReturnType<typeof integrityView>
