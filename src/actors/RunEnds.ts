import { Context, Effect, Layer } from "effect"

export type RunEnd = "succeeded" | "failed" | "canceled"

/** Tells callers of this process when a run has ended, without a look at the log. */
export class RunEnds extends Context.Service<
  RunEnds,
  {
    /** Completes at the run's next end that this process records: ask before the run can end. */
    readonly next: (runId: string) => Effect.Effect<RunEnd>
    readonly note: (runId: string, end: RunEnd) => void
  }
>()("kintsugi/actors/RunEnds") {
  static readonly layer = Layer.sync(RunEnds, () => {
    const waiting = new Map<string, Set<(end: RunEnd) => void>>()
    return RunEnds.of({
      next: (runId) =>
        Effect.callback<RunEnd>((resume) => {
          const told = (end: RunEnd) => resume(Effect.succeed(end))
          const others = waiting.get(runId) ?? new Set()
          waiting.set(runId, others.add(told))
          return Effect.sync(() => {
            others.delete(told)
            if (others.size === 0) waiting.delete(runId)
          })
        }),
      note: (runId, end) => {
        const told = waiting.get(runId)
        if (told === undefined) return
        waiting.delete(runId)
        for (const tell of told) tell(end)
      }
    })
  })
}
