import { DateTime } from "effect"
import { shownFailure, shownPartition } from "../run/RunView.ts"
import { type State, waiters } from "./RecoveryState.ts"

const iso = (epochMs: number | null): string | null =>
  epochMs === null ? null : DateTime.formatIso(DateTime.makeUnsafe(epochMs))

const shown = <A extends { readonly partitionKey: string }>({ partitionKey, ...rest }: A) => ({
  ...rest,
  partitionKey: shownPartition(partitionKey)
})

/** The public Recovery of CONTRACT, section 4; `chain`: the recoveries of missing inputs that it waited for. */
export const view = (state: State, streamVersion: number) => ({
  id: state.recoveryId,
  assetId: state.assetId,
  partitionKey: shownPartition(state.partitionKey),
  lostGeneration: state.lostGeneration,
  /** The generation is not lost but older than somebody takes it. */
  refresh: state.refresh,
  status: state.status,
  paused: state.paused,
  class: state.class,
  /** How a declared source is asked for it; null: a producer makes it. */
  recheck: state.recheck,
  rootCause: state.rootCause === null ? null : shown(state.rootCause),
  plan: state.plan.map(shown),
  attempts: state.attempt,
  maxAttempts: state.maxAttempts,
  round: state.round,
  waiterCount: state.waiterCount,
  waiters: waiters(state, 0, 100),
  producerRunId: state.producerRunId,
  reasonCode: state.reasonCode,
  failure: state.failure === null ? null : shownFailure(state.failure),
  chain: state.allParents.map((recoveryId) => ({
    recoveryId,
    settled: state.settledParents.some((parent) => parent.recoveryId === recoveryId)
  })),
  via: state.via,
  generation: state.generation,
  contentChanged: state.contentChanged,
  requestedAt: iso(state.requestedAt),
  finishedAt: iso(state.finishedAt),
  streamVersion
})
export type RecoveryView = ReturnType<typeof view>
