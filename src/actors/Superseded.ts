import { Effect } from "effect"
import type { Generation } from "../domain/Asset.ts"
import type { EventStore, LogUnavailable } from "../eventstore/EventStore.ts"

type Made = Pick<Generation, "attempt" | "runId" | "stepId">

const pageEvents = 1_000
/** Runs whose streams are read beside each other. */
const readAtOnce = 8

const key = ({ attempt, stepId }: Pick<Made, "attempt" | "stepId">) => `${stepId}/${attempt}`

/** When each execution of the run was superseded by a restore, epoch ms. */
const ofRun = Effect.fnUntraced(function* (log: EventStore["Service"], runId: string) {
  const found = new Map<string, number>()
  let version = 0
  while (true) {
    const page = yield* log.read(`run-${runId}`, version, pageEvents)
    for (const { payload, recordedAt, type } of page) {
      if (type !== "RunRestored") continue
      const { superseded } = JSON.parse(payload) as { readonly superseded: ReadonlyArray<Made> }
      for (const execution of superseded) found.set(key(execution), recordedAt)
    }
    if (page.length < pageEvents) return found
    version += page.length
  }
})

/**
 * When the execution that made each generation was superseded by a restore of its run, epoch ms; null: it was not. The
 * run is the one that knows: an Asset keeps its generations whatever their runs do. Each run is read once.
 */
export const supersededAt = Effect.fnUntraced(function* (
  log: EventStore["Service"],
  made: ReadonlyArray<Made>
): Effect.fn.Return<ReadonlyArray<number | null>, LogUnavailable> {
  const runIds = [...new Set(made.map(({ runId }) => runId))]
  const runs = new Map(
    yield* Effect.forEach(runIds, (runId) => Effect.map(ofRun(log, runId), (found) => [runId, found] as const), {
      concurrency: readAtOnce
    })
  )
  return made.map((generation) => runs.get(generation.runId)?.get(key(generation)) ?? null)
})
