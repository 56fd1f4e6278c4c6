import { Clock, Effect, Metric } from "effect"
import type { Definition } from "../domain/Definition.ts"
import * as Id from "../domain/Id.ts"
import * as RunKey from "../domain/RunKey.ts"
import * as Actors from "./Actors.ts"

/** Starts that were answered with a run that has their run key already, in this process, by workflow. */
const conflicts = Metric.counter("kintsugi_run_key_conflicts_total", {
  description: "Starts that were answered with the run that has their run key, by workflow",
  incremental: true
})

/** What starts the run; all of it but the definition is kept with the claim. */
interface Claimed {
  readonly workflow: string
  readonly definition: Definition
  readonly [field: string]: unknown
}

/** Claims a run key; answers the run that has it: this one, or another that is active or ended within the window. */
export const make = Effect.gen(function* () {
  const runKeys = yield* Actors.runKey.client
  return Effect.fnUntraced(function* (runKey: string, runId: string, { definition, ...start }: Claimed) {
    const now = yield* Clock.currentTimeMillis
    const { workflow } = start
    const windowMs = definition.runKeyWindowMs ?? 0
    const claim = { _tag: "Claim" as const, runId, start, windowMs, now }
    const { state } = yield* runKeys.execute(Id.runKey(workflow, runKey), claim)
    const held = RunKey.holder(state, runId, now, windowMs)
    if (held !== runId) yield* Metric.update(Metric.withAttributes(conflicts, { workflow }), 1)
    return held
  })
})
