import { DateTime } from "effect"
import { shownPartition } from "../run/RunView.ts"
import type { Cause } from "./MaterializationEvents.ts"
import type { AutomaticRun, State } from "./MaterializationState.ts"

const iso = (epochMs: number | null): string | null =>
  epochMs === null ? null : DateTime.formatIso(DateTime.makeUnsafe(epochMs))

const shownCause = (cause: Cause) => ({ ...cause, partitionKey: shownPartition(cause.partitionKey) })

const shownRun = ({ cause, endedAt, outcome, runId, startedAt }: AutomaticRun) => ({
  ...{ runId, outcome, startedAt: iso(startedAt), endedAt: iso(endedAt), cause: shownCause(cause) }
})

/**
 * The automatic runs of one workflow and partition (F60), newest first: the run under way (`active`, the claim), what
 * is wanted next (`pending`) and what holds it, the back-off after failures at `now`, and the last decisions with why.
 */
export const view = (state: State, now: number) => {
  const { active, coolUntil, decisions, failures, held, lastStartedAt, runs, wanted } = state
  return {
    partitionKey: shownPartition(state.partitionKey),
    active:
      active === null
        ? null
        : { ...shownRun(active), updates: active.count, priority: active.priority, launched: active.launched },
    pending:
      wanted === null
        ? null
        : {
            cause: shownCause(wanted.cause),
            updates: wanted.count,
            priority: wanted.priority,
            since: iso(wanted.since),
            heldBy: held?.by ?? null,
            heldUntil: iso(held?.until ?? null)
          },
    backoff: { failures, until: coolUntil > now ? iso(coolUntil) : null },
    lastStartedAt: lastStartedAt === 0 ? null : iso(lastStartedAt),
    runs: runs.map(shownRun).reverse(),
    decisions: decisions
      .map(({ at, cause, ...decision }) => ({
        ...decision,
        at: iso(at),
        ...(cause === undefined ? {} : { cause: shownCause(cause) })
      }))
      .reverse()
  }
}
export type MaterializationView = ReturnType<typeof view>
