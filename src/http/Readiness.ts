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
export const reasons: Effect.Effect<ReadonlyArray<Reason>, never, Engine | EventStore | Reads> = Effect.gen(
  function* () {
    const engine = yield* Engine
    const reads = yield* Reads
    const store = yield* EventStore
    const away: ReadonlyArray<Reason> = [{ name: "log", message: "the database does not answer" }]
    // Asked, too: one that hangs is noticed before anything that waits for it has given up.
    const log = Effect.flatMap(store.available, (available) =>
      available ? Effect.match(store.head, { onSuccess: () => [], onFailure: () => away }) : Effect.succeed(away)
    )
    const loop = Effect.map(
      engine.gauges,
      ({ loopBlockedMs }): ReadonlyArray<Reason> =>
        loopBlockedMs > loopBlockedMsMax
          ? [{ name: "loop", message: `the event loop was blocked for ${loopBlockedMs} ms` }]
          : []
    )
    const found = yield* Effect.all([check("log", log), check("loop", loop), check("projections", stale(reads))], {
      concurrency: "unbounded"
    })
    return found.flat()
  }
)

/** Anybody may ask, and the error itself can quote the event that it stopped before. */
const stopped = "has stopped; GET /api/v1/admin/projections says before which event, and why"

/** A check that hangs is a reason of its own. */
const check = <R>(name: string, reasons: Effect.Effect<ReadonlyArray<Reason>, never, R>) =>
  within(patience, reasons, "did not answer within 3 seconds").pipe(
    Effect.catch(({ message }) => Effect.succeed([{ name, message }]))
  )

const stale = Effect.fnUntraced(function* (reads: Reads["Service"]) {
  const late = (yield* reads.projections).filter(
    ({ error, heartbeatAgeMs }) => error !== null || heartbeatAgeMs > heartbeatMsMax
  )
  if (late.length === 0) return []
  const reasons: ReadonlyArray<Reason> = late.map(({ error, heartbeatAgeMs, name }) => ({
    name: `projection ${name}`,
    message: error === null ? `has not read the log for ${Math.round(heartbeatAgeMs)} ms` : stopped
  }))
  if (late.every(({ error }) => error !== null)) return reasons
  // What holds every read of the log back is the first thing to look for.
  const holder = yield* Effect.orElseSucceed(reads.horizonHolder, () => null)
  if (holder === null) return reasons
  const where = holder.database === null ? "" : ` in database ${holder.database}`
  const message = `the oldest transaction is ${Math.round(holder.ageMs)} ms old: pid ${holder.pid}${where}`
  return [...reasons, { name: "horizon", message }]
})
