import { leaseUntil } from "../run/RunDemand.ts"
import { batch, isOver, type State } from "./BulkState.ts"

/** An activity that the state demands now. */
export type Demand =
  /** Tell these items, the first of which has the index `from`, and note what they came to. */
  | { readonly _tag: "Tell"; readonly from: number; readonly ids: ReadonlyArray<string> }
  /** See that the end of a canary is noted: that of the run or recovery `endOf`. */
  | { readonly _tag: "Watch"; readonly itemId: string; readonly endOf: string }

export const key = (demand: Demand): string =>
  demand._tag === "Tell" ? `Tell:${demand.from}` : `Watch:${demand.itemId}`

export const demands = (state: State): ReadonlyArray<Demand> => {
  const { cursor, ids, watching } = state
  const count = batch(state)
  const watched = [...watching].map(([itemId, endOf]): Demand => ({ _tag: "Watch", itemId, endOf }))
  return count === 0 ? watched : [{ _tag: "Tell", from: cursor, ids: ids.slice(cursor, cursor + count) }, ...watched]
}

/** When somebody must look at it if it is not in memory, epoch ms; null: nothing is owed. */
export const wakeAt = (state: State, now: number): number | null =>
  state.status === null || isOver(state) ? null : leaseUntil(now)
