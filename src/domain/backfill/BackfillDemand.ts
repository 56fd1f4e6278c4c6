import { leaseUntil } from "../run/RunDemand.ts"
import type { State } from "./BackfillState.ts"

/** An activity that the state demands now: one for each run under way, so at most `concurrency`. */
export type Demand =
  /** Put the run into the log, and see that its end is noted. */
  | { readonly _tag: "Run"; readonly runId: string; readonly partitionKey: string }
  /** Cancel the run, and see that its end is noted. */
  | { readonly _tag: "CancelRun"; readonly runId: string }

export const key = (demand: Demand): string => `${demand._tag}:${demand.runId}`

export const demands = ({ keys, running, status }: State): ReadonlyArray<Demand> =>
  [...running].map(([runId, index]) =>
    status === "canceling" ? { _tag: "CancelRun", runId } : { _tag: "Run", runId, partitionKey: keys[index]! }
  )

/** When somebody must look at it if it is not in memory, epoch ms; null: nothing is owed. */
export const wakeAt = ({ running }: State, now: number): number | null => (running.size === 0 ? null : leaseUntil(now))
