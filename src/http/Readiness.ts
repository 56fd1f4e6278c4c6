import { Duration, Effect } from "effect"
import { Engine } from "../actors/Engine.ts"
import { EventStore } from "../eventstore/EventStore.ts"
import { within } from "./Answer.ts"
import { Reads } from "./Reads.ts"

/** A read model that has not read the log with success for this long is not fresh. */
export const heartbeatMsMax = 30_000
/** Longer than this, a blocked event loop makes the process useless to others. */
export const loopBlockedMsMax = 10_000
const patience = Duration.seconds(3)

export interface Reason {
  readonly name: string
  readonly message: string
}

/** Why this process should get no requests now, by name; empty: it should. Answers within 3 s, whatever hangs. */
export const reasons = Effect.gen(function* () {
  const engine = yield* Engine
  const reads = yield* Reads
  const store = yield* EventStore
  const found: Array<Reason> = []

  const checks = [
    Effect.map(store.available, (available) => {
      if (!available) found.push({ name: "log", message: "the database does not answer" })
    }),
    Effect.map(engine.gauges, ({ loopBlockedMs }) => {
      if (loopBlockedMs > loopBlockedMsMax) {
        found.push({ name: "loop", message: `the event loop was blocked for ${loopBlockedMs} ms` })
      }
    }),
    Effect.gen(function* () {
      const stale = (yield* reads.projections).filter(
        ({ error, heartbeatAgeMs }) => error !== null || heartbeatAgeMs > heartbeatMsMax
      )
      if (stale.length === 0) return
      for (const { error, heartbeatAgeMs, name } of stale) {
        const message =
          error === null ? `has not read the log for ${Math.round(heartbeatAgeMs)} ms` : `stopped: ${error}`
        found.push({ name: `projection ${name}`, message })
      }
      // What holds every read of the log back is the first thing to look for.
      const holder = yield* Effect.orElseSucceed(reads.horizonHolder, () => null)
      if (holder === null) return
      const { ageMs, database, pid } = holder
      const where = database === null ? "" : ` in database ${database}`
      found.push({ name: "horizon", message: `the oldest transaction is ${ageMs} ms old: pid ${pid}${where}` })
    })
  ]
  yield* Effect.all(checks, { concurrency: "unbounded", discard: true }).pipe(
    (all) => within(patience, all, "the checks did not end within 3 seconds"),
    Effect.catch(({ detail }) => Effect.sync(() => found.push({ name: "checks", message: detail ?? "too slow" })))
  )
  return found as ReadonlyArray<Reason>
})
