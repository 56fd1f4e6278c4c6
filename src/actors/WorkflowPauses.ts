import { Context, type Effect, Latch, Layer } from "effect"

/**
 * Which workflows are paused, in memory: what their streams say, kept current by each pause and resume. Runs ask
 * whenever a step is about to begin, so the answer is synchronous.
 */
export class WorkflowPauses extends Context.Service<
  WorkflowPauses,
  {
    readonly set: (workflow: string, isPaused: boolean) => void
    readonly isPaused: (workflow: string) => boolean
    /** Waits while the workflow is paused. */
    readonly resumed: (workflow: string) => Effect.Effect<void>
  }
>()("kintsugi/actors/WorkflowPauses") {
  static readonly layer = Layer.sync(WorkflowPauses, () => {
    const paused = new Set<string>()
    const latches = new Map<string, Latch.Latch>()
    const latchOf = (workflow: string) => {
      const known = latches.get(workflow) ?? Latch.makeUnsafe(true)
      latches.set(workflow, known)
      return known
    }
    return WorkflowPauses.of({
      set: (workflow, isPaused) => {
        if (paused.has(workflow) === isPaused) return
        if (isPaused) {
          paused.add(workflow)
          latchOf(workflow).closeUnsafe()
        } else {
          paused.delete(workflow)
          latchOf(workflow).openUnsafe()
        }
      },
      isPaused: (workflow) => paused.has(workflow),
      resumed: (workflow) => latchOf(workflow).await
    })
  })
}
