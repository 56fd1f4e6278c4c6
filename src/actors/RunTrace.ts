import type { State } from "../domain/run/RunState.ts"
import type { Ended } from "./ActorTrace.ts"

const ends: ReadonlySet<string> = new Set(["RunSucceeded", "RunFailed", "RunCanceled"])

/** A run's own span, from its request to its end. */
export const ended = (run: State, types: ReadonlyArray<string>): Ended | null =>
  types.some((type) => ends.has(type))
    ? {
        name: `run ${run.workflow}`,
        attributes: {
          "kintsugi.run.id": run.runId,
          "kintsugi.workflow": run.workflow,
          "kintsugi.workflow.version": run.version,
          "kintsugi.trigger": run.trigger.type,
          "kintsugi.outcome": run.ended,
          ...(run.partitionKey === undefined ? {} : { "kintsugi.partition": run.partitionKey }),
          ...(run.trigger.type === "recovery" ? { "kintsugi.recovery.id": run.trigger.recoveryId } : {})
        },
        startedAt: run.createdAt,
        endedAt: run.finishedAt ?? run.createdAt,
        failure: run.ended === "failed" ? (run.failure?.message ?? "failed") : undefined
      }
    : null
