import type { Unstamped } from "../run/RunCommands.ts"
import { type State, stepsIn } from "../run/RunState.ts"

/** What retrying a whole run comes to. */
export type RunRetry =
  /** A failed run goes on in place: one command does it. */
  | { readonly type: "reopen"; readonly command: Extract<Unstamped, { readonly _tag: "RetryStep" | "Recover" }> }
  /** These steps wait for their retry and begin at once. */
  | { readonly type: "hurry"; readonly stepIds: ReadonlyArray<string> }

/** Null: nothing of the run has failed or waits for a retry. Several failed steps go on together, each with its budget. */
export const retryOf = (state: State): RunRetry | null => {
  if (state.ended === "failed") {
    const failed = stepsIn(state, "failed")
    const [stepId] = failed
    return {
      type: "reopen",
      command: failed.length === 1 && stepId !== undefined ? { _tag: "RetryStep", stepId } : { _tag: "Recover" }
    }
  }
  const waiting = state.ended === null ? stepsIn(state, "retrying") : []
  return waiting.length === 0 ? null : { type: "hurry", stepIds: waiting }
}
