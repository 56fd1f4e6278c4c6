import { leaseUntil } from "../run/RunDemand.ts"
import type { State } from "./IntegrityState.ts"

/** The one Integrity actor of a database. */
export const actorId = "database"

/** An activity that the state demands now. */
export type Demand =
  /** Begin the check that waits, when its time has come. */
  | { readonly _tag: "Begin"; readonly check: number; readonly isByHand: boolean }
  /** Look at what is left of the check. */
  | { readonly _tag: "Scan"; readonly check: number }
  /** Ask for the recoveries, and see how they end. */
  | { readonly _tag: "Repair"; readonly repair: number }

export const key = (demand: Demand): string => {
  switch (demand._tag) {
    case "Begin":
      return `begin:${demand.check}:${demand.isByHand}`
    case "Scan":
      return `scan:${demand.check}`
    case "Repair":
      return `repair:${demand.repair}`
  }
}

export const demands = ({ checks, queued, repair, running }: State): ReadonlyArray<Demand> => {
  const found: Array<Demand> = []
  if (running !== null) found.push({ _tag: "Scan", check: running.check })
  else if (queued !== null) found.push({ _tag: "Begin", check: checks + 1, isByHand: queued.reason === "requested" })
  if (repair !== null) found.push({ _tag: "Repair", repair: repair.repair })
  return found
}

/** When somebody must look at it if it is not in memory, epoch ms; null: nothing is owed. */
export const wakeAt = (state: State, now: number): number | null =>
  demands(state).length === 0 ? null : leaseUntil(now)
