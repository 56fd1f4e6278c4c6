import { Effect, Metric } from "effect"
import type { State } from "../domain/run/RunState.ts"

/** Runs that failed because a cap of their healing was reached, in this process; `cap` is the failure's code. */
const capHits = Metric.counter("kintsugi_recovery_cap_hits_total", {
  description: "Runs that failed because healing for them was capped, by cap",
  incremental: true
})

const caps = ["ceiling_reached", "budget_exhausted", "deadline_exceeded"] as const

/** Counts what a run ended with. Every cap is there from the start, so that its first hit is an increase. */
export const make: Effect.Effect<(run: State) => void> = Effect.map(Effect.context<never>(), (context) => {
  const counters = new Map<string, Metric.Counter<number>>(
    caps.map((cap) => [cap, Metric.withAttributes(capHits, { cap })])
  )
  for (const counter of counters.values()) counter.updateUnsafe(0, context)
  return ({ ended, failure }) => {
    if (ended === "failed") counters.get(failure?.code ?? "")?.updateUnsafe(1, context)
  }
})
