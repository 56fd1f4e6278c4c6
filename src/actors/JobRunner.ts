import { Context, type Effect } from "effect"
import type { State } from "../domain/run/RunState.ts"
import type { Outcome } from "../domain/run/RunCommands.ts"

/**
 * Executes one attempt of a step. What goes in and comes out is JSON, so that a worker process can follow; jobs run in
 * the host's thread for now (DESIGN, section 5). Interruption aborts the job's signal and refuses its later writes.
 */
export class JobRunner extends Context.Service<
  JobRunner,
  {
    readonly execute: (run: State, stepId: string, attempt: number) => Effect.Effect<Outcome>
    /** Whether the app still has a job of this slug. */
    readonly has: (jobSlug: string) => boolean
  }
>()("kintsugi/actors/JobRunner") {}
