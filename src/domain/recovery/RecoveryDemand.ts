import { leaseUntil } from "../run/RunDemand.ts"
import { isTerminal, type State } from "./RecoveryState.ts"

/** An activity that the recovery's state demands now. */
export type Demand =
  /** Look for the asset, for a copy, then for the root cause; join the recoveries of missing inputs. */
  | { readonly _tag: "Plan"; readonly round: number }
  | { readonly _tag: "StartProducer"; readonly attempt: number }
  /** Call the webhook of the asset's source. */
  | { readonly _tag: "AskSource"; readonly attempt: number }
  /** The source was asked, or is being asked by a run: wait until the asset is announced, or is there again. */
  | { readonly _tag: "AwaitSource"; readonly attempt: number }
  | { readonly _tag: "Verify"; readonly attempt: number }
  | { readonly _tag: "NextAttempt"; readonly attempt: number; readonly dueAt: number }
  | { readonly _tag: "Timer"; readonly at: number }
  /** Tell the waiters, in the order in which they joined, that the recovery has ended. */
  | { readonly _tag: "Release"; readonly from: number; readonly to: number }

export const key = (state: State, demand: Demand): string => {
  switch (demand._tag) {
    case "Plan":
      return `plan:${demand.round}`
    case "Timer":
      return `timer:${demand.at}`
    case "Release":
      return `release:${state.round}:${demand.from}`
    default:
      return `${demand._tag}:${state.round}:${demand.attempt}`
  }
}

export const isResident = (demand: Demand): boolean => demand._tag !== "Timer"

/** Waiters told before the cursor is recorded. */
export const releaseBatchMax = 500

export const demands = (state: State): ReadonlyArray<Demand> => {
  if (state.round === 0) return []
  if (isTerminal(state)) {
    if (state.released >= state.waiterCount) return []
    const to = Math.min(state.waiterCount, state.released + releaseBatchMax)
    return [{ _tag: "Release", from: state.released, to }]
  }
  if (state.status === "requested") return state.paused ? [] : [{ _tag: "Plan", round: state.round }]
  const timer: ReadonlyArray<Demand> = state.dueAt === null ? [] : [{ _tag: "Timer", at: state.dueAt }]
  const { attempt } = state
  switch (state.phase) {
    case "starting":
      return [{ _tag: state.recheck === "webhook" ? "AskSource" : "StartProducer", attempt }, ...timer]
    case "producing":
      return state.recheck === null ? timer : [{ _tag: "AwaitSource", attempt }, ...timer]
    case "verifying":
      return [{ _tag: state.recheck === null ? "Verify" : "AwaitSource", attempt }, ...timer]
    case "backingOff":
      return state.dueAt === null || state.paused
        ? []
        : [{ _tag: "NextAttempt", attempt: state.attempt + 1, dueAt: state.dueAt }]
    case "idle":
      return []
  }
}

/** When somebody must look at this recovery if it is not in memory, epoch ms; null: nothing is owed. */
export const wakeAt = (state: State, now: number): number | null => {
  if (state.round === 0) return null
  let earliest: number | null = null
  for (const demand of demands(state)) {
    const at = demand._tag === "Timer" ? demand.at : demand._tag === "NextAttempt" ? demand.dueAt : leaseUntil(now)
    if (earliest === null || at < earliest) earliest = at
  }
  // A planned recovery that waits for its parents is owed their end: it is not terminal, so never null.
  if (earliest === null && !isTerminal(state)) return leaseUntil(now + 10 * 60_000)
  return earliest
}

/** The recoveries of missing inputs that this one passively waits for. */
export const waitsOnKeys = (state: State): ReadonlyArray<string> | null =>
  isTerminal(state) || state.parents.length === 0 ? null : state.parents.map((parent) => `recovery-${parent}`)
