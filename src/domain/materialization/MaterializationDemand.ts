import { leaseUntil } from "../run/RunDemand.ts"
import type { State } from "./MaterializationState.ts"

/** An activity that the state demands now. */
export type Demand =
  /** Put the run into the log. */
  { readonly _tag: "Launch"; readonly runId: string } | { readonly _tag: "Timer"; readonly at: number }

export const key = (demand: Demand): string =>
  demand._tag === "Launch" ? `launch:${demand.runId}` : `timer:${demand.at}`

export const isResident = (demand: Demand): boolean => demand._tag !== "Timer"

export const demands = ({ active, held, wanted }: State): ReadonlyArray<Demand> => {
  if (active !== null) return active.launched ? [] : [{ _tag: "Launch", runId: active.runId }]
  return wanted !== null && held !== null ? [{ _tag: "Timer", at: held.until }] : []
}

/** When somebody must look at it if it is not in memory, epoch ms; null: nothing is owed. */
export const wakeAt = (state: State, now: number): number | null => {
  if (state.active !== null) {
    // A run under way tells its end until it has been heard.
    return state.active.launched ? null : leaseUntil(now)
  }
  return state.wanted === null ? null : (state.held?.until ?? leaseUntil(now))
}
